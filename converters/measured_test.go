package converters_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// allIn is a dataset of the platform whose images all have one split; the last of its
// three classes has no image.
func allIn(split string, count int) m {
	files, images := m{}, []any{}
	for i := range count {
		name := fmt.Sprintf("%d.jpg", i)
		files["images/"+name] = jpegOf(32, 32)
		images = append(images, m{"id": i, "file_name": name, "split": split, "annotation": m{"class_id": i % 2, "class_name": fmt.Sprintf("c%d", i%2)}})
	}
	files["annotations.json"] = m{"classes": []any{m{"id": 0, "name": "c0"}, m{"id": 1, "name": "c1"}, m{"id": 2, "name": "c2"}}, "images": images}
	return files
}

// oneYOLO is a dataset of Ultralytics that has one split only.
func oneYOLO(split string) m {
	files := m{"data.yaml": split + ": " + split + "/images\nnames: [cat]\n"}
	for i := range 4 {
		name := fmt.Sprintf("%s%d", split, i)
		files[split+"/images/"+name+".jpg"], files[split+"/labels/"+name+".txt"] = jpegOf(64, 48), "0 0.5 0.5 0.2 0.2\n"
	}
	return files
}

// A test set is measured as it is: all its images are in one split, and it may lack a
// class. Images that are all for training are shared out, as their training did it.
func TestATestSetStaysWhole(t *testing.T) {
	for _, c := range []struct {
		name             string
		task             contract.TaskType
		format           contract.DatasetFormat
		files            m
		measured, shared string // where no training is possible nothing is shared
		classes          string
	}{
		{"fields: val", classifying, contract.FormatImageFolder, allIn("val", 6), "val 6", "train 4, val 2", "c0 c1 c2"},
		{"fields: test", classifying, contract.FormatImageFolder, allIn("test", 6), "test 6", "train 4, val 2", "c0 c1 c2"},
		{"fields: train", classifying, contract.FormatImageFolder, allIn("train", 6), "train 4, val 2", "train 4, val 2", "c0 c1 c2"},
		{"one image", classifying, contract.FormatImageFolder, allIn("test", 1), "test 1", "", "c0 c1 c2"},
		{"folders", classifying, contract.FormatImageFolder, classFolders(map[string]int{"test": 3}, "cat", "dog"), "test 6", "train 4, val 2", "cat dog"},
		{"YOLO: val", detecting, contract.FormatYOLO, oneYOLO("val"), "val 4", "train 3, val 1", "cat"},
		{"YOLO: test", detecting, contract.FormatYOLO, oneYOLO("test"), "test 4", "train 3, val 1", "cat"},
		{"COCO: test", detecting, contract.FormatCOCO, oneYOLO("test"), "test 4", "train 3, val 1", "cat"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, folder(t, c.files), c.task, c.format)
			r.Measured = true
			p := prepare(t, r)
			var classes []string
			for _, class := range p.Classes.Classes {
				classes = append(classes, class.Name)
			}
			if got := splitsOf(p); got != c.measured || strings.Join(classes, " ") != c.classes {
				t.Errorf("measured: %s of %v", got, classes)
			}
			if c.shared == "" {
				return
			}
			if got := splitsOf(prepare(t, request(t, folder(t, c.files), c.task, c.format))); got != c.shared {
				t.Errorf("trained on: %s", got)
			}
		})
	}
}

func splitsOf(p *converters.Prepared) string {
	var splits []string
	for _, s := range p.Splits {
		splits = append(splits, fmt.Sprintf("%s %d", s.Split, s.Images))
	}
	return strings.Join(splits, ", ")
}
