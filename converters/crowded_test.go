package converters_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	catalog "github.com/vision-platform/trainer-agent/converters/dataset"
)

// A few kilobytes of a zip can stand for millions of objects: each layout is refused
// before they fill the memory.
func TestAnImageOfTooManyObjectsIsRefusedInEveryLayout(t *testing.T) {
	many := func(one, between string) string {
		return strings.TrimSuffix(strings.Repeat(one+between, catalog.MaxObjectsPerImage+1), between)
	}
	const voc = `<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>`
	for layout, files := range map[string]map[string]any{
		"platform": {"images/a.jpg": jpegOf(20, 20), "annotations.json": fmt.Sprintf(
			`{"classes": [{"id": 1, "name": "cat"}], "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20, "annotations": [%s]}]}`,
			many(`{"class_id":1,"bbox":[1,1,5,5]}`, ","))},
		"coco": {"images/a.jpg": jpegOf(20, 20), "instances_train.json": fmt.Sprintf(
			`{"categories": [{"id": 1, "name": "cat"}], "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}], "annotations": [%s]}`,
			many(`{"image_id":1,"category_id":1,"bbox":[1,1,5,5]}`, ","))},
		"yolo":    {"images/a.jpg": jpegOf(20, 20), "data.yaml": "train: images\nval: images\nnames: [cat]\n", "labels/a.txt": many("0 .5 .5 .5 .5", "\n")},
		"voc":     {"a.jpg": jpegOf(20, 20), "a.xml": "<annotation><filename>a.jpg</filename>" + many(voc, "") + "</annotation>"},
		"labelme": {"a.jpg": jpegOf(20, 20), "a.json": `{"imagePath": "a.jpg", "shapes": [` + many(`{"label":"cat","shape_type":"rectangle","points":[[1,1],[5,5]]}`, ",") + `]}`},
	} {
		t.Run(layout, func(t *testing.T) {
			r := request(t, folder(t, files), contract.TaskObjectDetection, contract.FormatCOCO)
			_, err := converters.Prepare(t.Context(), r)
			f := contract.AsFailure(err)
			if f == nil || f.Code != contract.CodeDatasetTooLarge || !strings.Contains(f.Line(), "more than 100000") || f.Hint == "" {
				t.Errorf("%v", err)
			}
		})
	}
}
