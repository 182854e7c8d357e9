package converters_test

import (
	"maps"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// TestCoordinatesOfAnotherFrameAreSeen: annotations that a reader takes without a word,
// and that say something else than they were meant to.
func TestCoordinatesOfAnotherFrameAreSeen(t *testing.T) {
	pictures := numberedFiles("images/%d.jpg", 6, image64)
	names := []string{"0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"}
	changed := func(file string, change func(image, annotation m)) m {
		doc := cocoOf(cats, names...)
		for i := range names {
			change(doc["images"].([]any)[i].(m), doc["annotations"].([]any)[i].(m))
		}
		return with(maps.Clone(pictures), m{file: doc})
	}
	var classed []any
	for i, name := range names {
		classed = append(classed, m{"id": i, "file_name": name, "width": 64, "height": 48, "annotation": m{"class_id": 1},
			"annotations": []any{m{"class_id": 1, "bbox": []int{32, 24, 60, 44}}}})
	}
	const instances = "annotations/instances_train.json"
	for _, c := range []published{
		{name: "corners for widths", files: changed(instances, func(_, a m) { a["bbox"] = []int{32, 24, 60, 44} }), refused: "fits as x1, y1, x2, y2"},
		{name: "corners for widths in rows of YOLO", files: yoloSet("", "0 .1 .1 .4 .4\n0 .6 .2 .95 .4\n", plainConfig), refused: "fits as x1, y1, x2, y2"},
		{name: "one thing on each photo, and sizes that say the photo lies", says: "size_differs: image 0 is 64x48, not 48x64",
			files: changed(instances, func(im, a m) {
				im["width"], im["height"], a["bbox"] = 48, 64, []int{14, 4, 46, 40}
			})},
		{name: "corners beside outlines, which are what the task takes", task: segmenting, splits: "train 4, val 2", files: changed(instances, func(_, a m) {
			a["bbox"], a["segmentation"] = []int{32, 24, 60, 44}, [][]int{{32, 24, 60, 24, 60, 44, 32, 44}}
		})},
		{name: "corners beside the classes of whole images", task: classifying, splits: "train 4, val 2", files: with(maps.Clone(pictures), m{"annotations.json": m{"classes": cats, "images": classed}})},
		{name: "boxes of whole images", files: yoloSet("", "0 .5 .5 1 1\n", plainConfig), splits: "train 5, val 2"},
		{name: "images made smaller", refused: "they were drawn on other files", files: changed(instances, func(im, a m) {
			im["width"], im["height"], a["bbox"] = 128, 96, []int{70, 50, 20, 20}
		})},
		{name: "images made smaller, and boxes around all of each", splits: "train 4, val 2", says: "size_differs", files: changed(instances, func(im, a m) {
			im["width"], im["height"], a["bbox"] = 128, 96, []int{0, 0, 128, 96}
		})},
		{name: "a size that is wrong and boxes that are right", splits: "train 4, val 2", says: "size_differs: image 0 is 64x48, not 640x640",
			files: changed(instances, func(im, _ m) { im["width"], im["height"] = 640, 640 })},
		{name: "a box beside its outline", task: segmenting, says: "box_elsewhere: annotation 1", files: changed(instances, func(_, a m) {
			a["bbox"], a["segmentation"] = []int{2, 2, 10, 10}, [][]int{{40, 30, 60, 30, 60, 46, 40, 46}}
		})},
		{name: "names that are addresses", splits: "train 4, val 2", says: `other_spelling: "s3://bucket/a/0.jpg" is "images/0.jpg"`,
			files: changed(instances, func(im, _ m) { im["file_name"] = "s3://bucket/a/" + im["file_name"].(string) })},
		{name: "names with a signature", splits: "train 4, val 2",
			files: changed(instances, func(im, _ m) { im["file_name"] = "https://host/a/" + im["file_name"].(string) + "?sig=1%2F" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.task == "" {
				c.task = detecting
			}
			check(t, c)
		})
	}
}

// Tools that know of outlines only write 0, 0, 0, 0 for the box.
func TestABoxOfNothingIsNotBesideItsOutline(t *testing.T) {
	doc := cocoOf(cats, "0.jpg", "1.jpg")
	for _, a := range doc["annotations"].([]any) {
		a.(m)["bbox"], a.(m)["segmentation"] = []int{0, 0, 0, 0}, [][]int{{40, 30, 60, 30, 60, 46, 40, 46}}
	}
	files := with(numberedFiles("images/%d.jpg", 2, image64), m{"annotations/instances_train.json": doc})
	p := prepare(t, request(t, folder(t, files), segmenting, contract.FormatYOLO))
	if found := find(p, "box_elsewhere"); found.Count != 0 {
		t.Errorf("%+v", found)
	}
}

func TestClassesOfOneNameAreSaid(t *testing.T) {
	files := with(numberedFiles("images/%d.jpg", 2, image64), m{
		"annotations/instances_train.json": cocoOf([]any{m{"id": 1, "name": "Stop sign"}, m{"id": 2, "name": "stop_sign"}}, "0.jpg", "1.jpg"),
	})
	check(t, published{task: detecting, files: files, says: `similar_class_names: "Stop sign" and "stop_sign"`})
}
