package yolo

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// LabelPath is Ultralytics' rule: the last /images/ of the path becomes
// /labels/, the last suffix .txt; without /images/ the label is beside the image.
func LabelPath(image string) string {
	slashed := "/" + image
	if at := strings.LastIndex(slashed, "/images/"); at >= 0 {
		slashed = slashed[:at] + "/labels/" + slashed[at+len("/images/"):]
	}
	if at := strings.LastIndexByte(slashed, '.'); at >= 0 {
		slashed = slashed[:at]
	}
	return slashed[1:] + ".txt"
}

// beside is the label file that lies beside an image.
func beside(image string) string { return strings.TrimSuffix(image, path.Ext(image)) + ".txt" }

// labelFolders are what people call the folder of labels beside one of images.
var labelFolders = []string{"labels", "label", "annotations", "annotation"}

// elsewhere are the places of a label where Ultralytics does not look and people put
// it: the folder that says that images are in it is called otherwise (Images, imgs,
// images_train), or labels/ has the folders that the images have at the top.
func elsewhere(image string) []string {
	label := beside(image)
	parts := strings.Split(path.Dir(label), "/")
	for i := len(parts) - 1; i >= 0; i-- {
		var list []string
		for _, name := range labelNames(parts[i]) {
			at := slices.Clone(parts)
			at[i] = name
			list = append(list, path.Join(path.Join(at...), path.Base(label)))
		}
		if list != nil {
			return list
		}
	}
	return []string{path.Join("labels", label)}
}

// labelNames are what the folder of labels may be called beside one of images; none
// where a name does not say that images are in it.
func labelNames(images string) []string {
	lower := strings.ToLower(images)
	switch {
	case layout.HoldsImages(images):
		return labelFolders
	case strings.Contains(lower, "images"):
		return []string{strings.Replace(lower, "images", "labels", 1)}
	case strings.Contains(lower, "image"):
		return []string{strings.Replace(lower, "image", "label", 1)}
	}
	return nil
}

// finding is how a label file was found.
type finding int

const (
	usual    finding = iota // where Ultralytics looks
	alongOf                 // beside its image
	elseways                // in a folder of another name
)

// labelOf finds the label file of an image as it is spelled on disk, and the name by
// which it was looked for.
func labelOf(f *layout.Folder, image string) (name, where string, at finding) {
	where = LabelPath(image)
	if name = f.Text(where); name != "" {
		return name, where, usual
	}
	where = beside(image)
	if name = f.Text(where); name != "" {
		return name, where, alongOf
	}
	for _, where := range elsewhere(image) {
		if name = f.Text(where); name != "" {
			return name, where, elseways
		}
	}
	return "", "", usual
}

// labels reads the label file of every image.
type labels struct {
	*reader
	rows    rowReader
	poses   suspicion
	highest int              // class number
	read    int              // files
	dirs    map[string]bool  // that have a label file
	of      map[string]int32 // the first image of each label file
	corners int              // rows of four corners
	plain   int              // rows of anything else
}

func newLabels(r *reader) *labels {
	classes := r.config.nc
	if len(r.config.names) > 0 && len(r.config.badKeys) == 0 {
		classes = lastNamed(r.config.names) + 1
	}
	return &labels{reader: r, highest: -1, dirs: make(map[string]bool), of: make(map[string]int32),
		rows: rowReader{task: r.Task, shape: r.config.shape, classes: classes}}
}

// lastNamed is the largest number of a class that has a name.
func lastNamed(names map[int]string) int { return slices.Max(slices.Collect(maps.Keys(names))) }

func (l *labels) readAll() error {
	var missing []int
	for i, im := range l.c.Images {
		name, where, at := labelOf(l.Folder, im.File)
		switch {
		case name == "":
			missing = append(missing, i)
			continue
		case at == alongOf:
			l.problems.Add(problem.LabelBesideImage, i, "%s", name)
		case at == elseways:
			l.problems.Add(problem.LabelElsewhere, i, "%s for %s", name, im.File)
		}
		if name != where {
			l.problems.Add(problem.OtherSpelling, i, "%s for %s", name, im.File)
		}
		if first, twice := l.of[name]; twice {
			l.problems.Add(problem.LabelOfSeveral, i, "%s for %s and %s", name, l.c.Images[first].File, im.File)
		} else {
			l.of[name] = int32(i)
		}
		if err := l.file(int32(i), name); err != nil {
			return err
		}
	}
	kind := problem.NoLabelFile
	if l.read == 0 {
		kind = problem.NoLabelFiles
	}
	for _, i := range missing {
		l.problems.Add(kind, i, "%q", LabelPath(l.c.Images[i].File))
	}
	if n := l.poses.rows; l.poses.sure() && l.rows.shape == nil {
		l.problems.AddN(problem.KeypointsWithoutShape, n, 0, "every row has %d columns", l.poses.columns)
	}
	if l.corners > 0 && l.plain == 0 && l.Task == contract.TaskObjectDetection {
		l.problems.AddN(problem.RotatedBoxes, l.corners, 0, "every row has four corners, as YOLO-OBB")
	}
	l.orphans()
	return nil
}

// file reads the labels of one image.
func (l *labels) file(image int32, name string) error {
	text, err := l.ReadText(name, maxLabelBytes)
	if err != nil {
		return err
	}
	l.read++
	l.dirs[path.Dir(name)] = true
	for n, fields := range rowsOf(text) {
		o, wrong := l.rows.row(fields)
		l.poses.look(l.rows.values)
		if wrong != "" {
			l.problems.Add(problem.BadLabelRow, int(image), "%s row %d %s", path.Base(name), n+1, wrong)
			continue
		}
		if len(o.Polygons) == 1 && len(o.Polygons[0]) == 8 {
			l.corners++
		} else {
			l.plain++
		}
		o.Image, o.ID = image, dataset.NoID
		l.highest = max(l.highest, int(o.Class))
		if err := l.c.Add(o); err != nil {
			return err
		}
	}
	return nil
}

// orphans reports label files whose image is not there, and folders of other labels of
// the same images.
func (l *labels) orphans() {
	var texts []string
	for _, name := range l.Names() {
		if strings.EqualFold(path.Ext(name), ".txt") && !l.list(name) {
			texts = append(texts, name)
		}
	}
	if len(texts) <= l.read {
		return
	}
	known := make(map[string]bool, len(texts)) // of images that are in no split, too
	for _, image := range l.Names() {
		if images.IsImage(image) {
			name, _, _ := labelOf(l.Folder, image)
			known[name] = true
		}
	}
	texts = slices.DeleteFunc(texts, func(name string) bool { return known[name] })
	l.unused(texts)
	n := 0
	for _, name := range texts {
		if l.dirs[path.Dir(name)] {
			l.problems.Add(problem.LabelWithoutImage, n, "%s", name)
			n++
		}
	}
}

// maxUnused is how many folders are looked into for other labels.
const maxUnused = 64

// unused names folders of labels that are read for none of the images that they are
// called as, such as labels_seg/ beside labels/. It looks at one of each folder.
func (l *labels) unused(texts []string) {
	stems := l.ImageStems()
	looked := make(map[string]bool)
	for _, name := range texts {
		dir := path.Dir(name)
		if l.dirs[dir] || looked[dir] || len(looked) == maxUnused || !stems[stem(name)] {
			continue
		}
		looked[dir] = true
		text, err := l.ReadText(name, maxLabelBytes)
		if reads, some := readsAsLabel(text); err == nil && reads && some {
			l.problems.Add(problem.LabelsUnused, len(looked), "%s/", dir)
		}
	}
}

// list tells the other texts that lie among labels: lists of classes and images.
func (l *labels) list(name string) bool {
	base := strings.TrimSuffix(strings.ToLower(path.Base(name)), ".txt")
	return strings.Contains(base, "classes") || strings.HasPrefix(base, "readme") || base == "labels" || base == "notes" || splitOfPath(base) != "" && !strings.ContainsAny(base, "0123456789")
}
