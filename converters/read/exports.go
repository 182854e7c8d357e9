package read

import (
	"io"
	"os"
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// export is what a tool writes that is not read here, told by what is in its files:
// a refusal that calls it by its name is one that people can act on.
type export struct {
	name string
	ext  string   // of the files that it is told by
	has  []string // each of these near the start of one
	then string   // what to do
}

const asCOCO = "Export from the tool again, as COCO JSON or as YOLO."

var exports = []export{
	{"Supervisely", ".json", []string{`"classTitle"`, `"points"`}, asCOCO},
	{"VGG Image Annotator (VIA)", ".json", []string{`"shape_attributes"`}, "Export from VIA again, as COCO JSON."},
	{"Label Studio's own JSON", ".json", []string{`"from_name"`, `"to_name"`}, asCOCO},
	{"Label Studio's JSON-MIN", ".json", []string{`"rectanglelabels"`}, asCOCO},
	{"CreateML", ".json", []string{`"annotations"`, `"coordinates"`, `"image"`}, asCOCO},
	{"Datumaro", ".json", []string{`"items"`, `"categories"`, `"label"`}, asCOCO},
	{"BDD100K", ".json", []string{`"box2d"`}, "Convert it to COCO JSON, for example with bdd100k's own to_coco."},
	{"COCO panoptic", ".json", []string{`"segments_info"`}, "Use the instances_*.json of the same dataset, or convert it with panopticapi's panoptic2detection_coco_format."},
	{"results of a model in COCO's format, without annotations", ".json", []string{`"image_id"`, `"score"`}, "Add the annotations: instances_train.json and instances_val.json."},
	{"CVAT for images", ".xml", []string{"<annotations", "<image "}, "Export from CVAT again, as COCO 1.0 or as Ultralytics YOLO."},
	{"CVAT for video", ".xml", []string{"<annotations", "<track "}, "Export from CVAT again, as COCO 1.0 or as Ultralytics YOLO."},
}

// maxLooks bounds the files that are looked into for an export, and maxStart what is
// read of each.
const (
	maxLooks = 16
	maxStart = 256 << 10
)

// exportOf names the tool that wrote a dataset, and what to do about it; empty where
// it is not known.
func exportOf(f *layout.Folder) (name, then string) {
	looked := make(map[string]int)
	for _, file := range f.Names() {
		ext := strings.ToLower(path.Ext(file))
		if ext != ".json" && ext != ".xml" && ext != ".txt" || looked[ext] >= maxLooks {
			continue
		}
		looked[ext]++
		content := start(f.Path(file))
		if ext == ".txt" {
			if name, then = textExport(file, content); name != "" {
				return name, then
			}
		}
		for _, e := range exports {
			if e.ext == ext && hasAll(content, e.has) {
				return e.name, e.then
			}
		}
	}
	return maskFolder(f)
}

func start(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	content, _ := io.ReadAll(io.LimitReader(f, maxStart))
	return string(content)
}

func hasAll(content string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(content, word) {
			return false
		}
	}
	return true
}

// The columns of a row of text, as the tools document them.
const (
	kittiColumns = 15 // type truncated occluded alpha, box, size, place, rotation
	dotaColumns  = 10 // four corners, category, difficult
	droneColumns = 8  // box, score, category, truncation, occlusion
)

// textExport tells by the first row that is no title.
func textExport(file, content string) (name, then string) {
	if base := path.Base(file); base == "gt.txt" || base == "det.txt" {
		return "MOT Challenge", "Convert the boxes of its frames to COCO JSON or YOLO."
	}
	if strings.HasPrefix(strings.ToLower(path.Base(file)), "wider_face_") {
		return "WIDER FACE", "Convert its boxes to COCO JSON or YOLO: each is left, top, width, height in pixels."
	}
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 1 && strings.Contains(line, ":"): // imagesource:GoogleEarth
			continue
		case (len(fields) == dotaColumns || len(fields) == dotaColumns-1) && numbersIn(fields[:8]) == 8 && numbersIn(fields[8:9]) == 0:
			return "DOTA", "Convert it to YOLO-OBB, for example with ultralytics' convert_dota_to_yolo_obb."
		case (len(fields) == kittiColumns || len(fields) == kittiColumns+1) && numbersIn(fields[:1]) == 0 && numbersIn(fields[1:kittiColumns]) == kittiColumns-1:
			return "KITTI", "Convert its 2D boxes to YOLO: class, then centre, width and height as fractions of the image."
		}
		if cells := strings.Split(strings.Trim(line, ",\r\n"), ","); len(cells) == droneColumns && numbersIn(cells) == droneColumns {
			return "VisDrone", "Convert it to YOLO, for example with the script in ultralytics' VisDrone.yaml; categories 0 and 11 are no objects."
		}
		return "", ""
	}
	return "", ""
}

func numbersIn(fields []string) int {
	n := 0
	for _, field := range fields {
		if strings.Trim(field, "+-.0123456789eE") == "" {
			n++
		}
	}
	return n
}

// maskFolder tells images whose labels are images.
func maskFolder(f *layout.Folder) (name, then string) {
	for _, dir := range f.ImageFolders() {
		lower := strings.ToLower(dir)
		for _, word := range []string{"mask", "segmentationclass", "segmentationobject", "gtfine", "gtcoarse", "ground_truth"} {
			if strings.Contains(lower, word) {
				return "masks as images, in " + dir + "/", "Convert the masks to COCO JSON, as polygons or RLE."
			}
		}
	}
	return "", ""
}

// records are files that hold images and labels together.
func records(names []string) (found []string) {
	for _, name := range names {
		lower := strings.ToLower(path.Base(name))
		if !images.IsImage(name) && (strings.Contains(lower, ".tfrecord") || strings.HasSuffix(lower, ".record") || strings.HasSuffix(lower, ".parquet") || strings.HasSuffix(lower, ".arrow")) {
			found = append(found, name)
		}
	}
	return found
}
