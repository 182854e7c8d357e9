// Package masks reads datasets for semantic segmentation whose labels are pictures:
// one file an image, in which the value or the colour of a pixel is its class, as
// Pascal VOC (SegmentationClass), ADE20K, CamVid, CVAT and LabelMe's exports have it.
//
// It promises the classes in the order of the dataset's list, that pixels which are
// said to count nowhere (255) do not, and no mask that is passed over without a word.
// It leaves telling the objects of a class apart alone: such a mask cannot.
package masks

import (
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/voc"
)

// folders are the names of folders of masks. Those of the second kind hold other
// annotations as often, which are no pictures.
var folders = map[string]bool{
	"masks": true, "mask": true, "segmentationclass": true, "segmentationclassaug": true, "segmentationclasspng": true,
	"labels": true, "annotations": true, "annotation": true, "trainannot": true, "valannot": true, "testannot": true,
}

// beside is how a mask's name may differ from its image's, behind the stem.
var beside = []string{"", "_mask", "-mask", "_label", "_seg", "_segmentation", "_gt", "_labelIds"}

// Recognise takes pictures in folders of masks that have the names of images elsewhere.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if f.Task != contract.TaskSemanticSegmentation {
		return nil, nil
	}
	files := slices.DeleteFunc(slices.Clone(f.Names()), func(name string) bool { return !isMask(name) })
	if len(files) == 0 {
		return nil, nil
	}
	pairs := imagesOf(f)
	if !slices.ContainsFunc(files, func(name string) bool { return pairs.of(name) != "" }) {
		return nil, nil
	}
	voc := slices.ContainsFunc(files, func(name string) bool { return strings.Contains(name, "SegmentationClass") })
	return &layout.Layout{Name: "masks", Declared: voc, Annotations: f.Path(files[0]), Read: func(problems *problem.List) (*dataset.Catalog, error) {
		return read(f, files, pairs, problems)
	}}, nil
}

// isMask goes by the file's folders; a JPEG keeps no class exactly.
func isMask(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".png", ".bmp", ".tif", ".tiff", ".gif":
	default:
		return false
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if folders[strings.ToLower(path.Base(dir))] {
			return true
		}
	}
	return false
}

// partners finds a mask's image.
type partners map[string][]string // by lower stem

func imagesOf(f *layout.Folder) partners {
	p := make(partners)
	for _, name := range f.Names() {
		if images.IsImage(name) && !isMask(name) && !strings.Contains(name, "SegmentationObject/") {
			p[stem(name)] = append(p[stem(name)], name)
		}
	}
	return p
}

func stem(name string) string {
	base := strings.ToLower(path.Base(name))
	return strings.TrimSuffix(base, path.Ext(base))
}

// of is the image of a mask, of several the one whose folders say the same split;
// empty when there is none, or no telling which.
func (p partners) of(mask string) string {
	for _, suffix := range beside {
		key, has := strings.CutSuffix(stem(mask), strings.ToLower(suffix))
		if !has {
			continue
		}
		list := p[key]
		if len(list) > 1 {
			list = slices.DeleteFunc(slices.Clone(list), func(name string) bool { return layout.SplitOfPath(name) != layout.SplitOfPath(mask) })
		}
		if len(list) == 1 {
			return list[0]
		}
	}
	return ""
}

// read decodes every mask, and names the classes when the last value is known.
func read(f *layout.Folder, files []string, pairs partners, problems *problem.List) (*dataset.Catalog, error) {
	lists, err := voc.Lists(f, problems, "ImageSets/Segmentation", "ImageSets/Main", "ImageSets")
	if err != nil {
		return nil, err
	}
	names, err := readNames(f)
	if err != nil {
		return nil, err
	}
	out := layout.NewCollector()
	var found []area
	kept := files[:0:0]
	for i, mask := range files {
		image := pairs.of(mask)
		switch {
		case image == "":
			problems.Add(problem.LabelWithoutImage, i, "%s", mask)
			continue
		case out.Has(image):
			problems.Add(problem.AnnotatedTwice, i, "%s for %s", mask, image)
			continue
		}
		split, listed := f.SplitOfPath(image), true
		if lists != nil {
			split, listed = lists[strings.TrimSuffix(path.Base(image), path.Ext(image))]
		}
		if !listed {
			problems.Add(problem.ImageInNoList, i, "%s", image)
			continue
		}
		out.Image(image, 0, 0, split)
		kept = append(kept, mask)
	}
	if found, err = decodeAll(f, kept, names.colours != nil, problems); err != nil {
		return nil, err
	}
	declared, err := names.give(found, out, problems)
	if err != nil {
		return nil, err
	}
	c := out.Catalog(declared, problems)
	c.Beside = files
	return c, nil
}
