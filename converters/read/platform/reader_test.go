package platform

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// read reads for the task that needs what the text has.
func read(t *testing.T, text string) (*dataset.Catalog, *problem.List) {
	t.Helper()
	task := contract.TaskInstanceSegmentation
	if strings.Contains(text, "keypoints") {
		task = contract.TaskPoseEstimation
	}
	return readFor(t, task, text)
}

func readFor(t *testing.T, task contract.TaskType, text string) (*dataset.Catalog, *problem.List) {
	t.Helper()
	problems := new(problem.List)
	c, err := Read(strings.NewReader(text), "annotations.json", task, problems, DefaultLimits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c, problems
}

// dump writes what a catalog says in one line an image.
func dump(c *dataset.Catalog) string {
	var out strings.Builder
	for i, im := range c.Images {
		fmt.Fprintf(&out, "%s %s %dx%d label %d split %q:", im.ID, im.File, im.Width, im.Height, im.Label, im.Split)
		for _, k := range c.ObjectsOf(i) {
			o := c.Objects.At(int(k))
			fmt.Fprintf(&out, " [class %d", o.Class)
			if o.HasBox {
				fmt.Fprintf(&out, " box %v format %d", o.Box, o.Format)
			}
			if o.Polygons != nil {
				fmt.Fprintf(&out, " polygons %v", o.Polygons)
			}
			if o.Keypoints != nil {
				fmt.Fprintf(&out, " keypoints %v dims %d", o.Keypoints, o.Dims)
			}
			if o.RLE != nil {
				fmt.Fprintf(&out, " rle %v", *o.RLE)
			}
			if o.Crowd {
				out.WriteString(" crowd")
			}
			out.WriteString("]")
		}
		out.WriteString("\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func TestEveryShapeOfThePlatformFormat(t *testing.T) {
	const classes = `"classes": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}]`
	for _, c := range []struct{ name, text, want string }{
		{"classification",
			`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6, "annotation": {"class_id": 3, "class_name": "dog", "confidence": 1.0}}]}`,
			`1 a.jpg 8x6 label 1 split "":`},
		{"nested annotations, keys in any order, classes last",
			`{"images": [{"annotations": [{"bbox": [1, 2, 3, 4], "class_id": 1}], "width": null, "file_name": "a.jpg", "id": "x"}], ` + classes + `}`,
			`x a.jpg 0x0 label -1 split "": [class 0 box [1 2 3 4] format 0]`},
		{"COCO style, annotations before images, ids of both kinds",
			`{"categories": [{"id": 1, "name": "cat"}], "annotations": [{"id": 5, "image_id": "7", "category_id": 1, "bbox": [0.5, 1e1, 3, 4]}], "images": [{"id": 7, "file_name": "a.jpg", "split": "val"}]}`,
			`7 a.jpg 0x0 label -1 split "val": [class 0 box [0.5 10 3 4] format 0]`},
		{"a snapshot wraps the dataset",
			`{"snapshot_id": "s", "annotations": {` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}}`,
			`1 a.jpg 0x0 label -1 split "":`},
		{"polygons, RLE, keypoints",
			`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg", "annotations": [
				{"class_id": 1, "segmentation": [[1, 2, 3, 4, 5, 6], [1, 1, 2, 1, 2, 2]]},
				{"class_id": 1, "segmentation": [1, 2, 3, 4, 5, 6]},
				{"class_id": 1, "segmentation": [[[1, 2], [3, 4], [5, 6]]]},
				{"class_id": 1, "segmentation": {"size": [2, 3], "counts": [1, 2, 3]}, "iscrowd": 1},
				{"class_id": 1, "segmentation": {"size": [7, 2], "counts": "5232"}},
				{"class_id": 3, "bbox": [0, 0, 1, 1], "bbox_format": "xyxy", "keypoints": [[1, 2, 2], [3, 4, 0]]},
				{"class_id": 3, "keypoints": [1, 2, 2, 3, 4, 0]}]}]}`,
			`1 a.jpg 0x0 label -1 split "": [class 0 polygons [[1 2 3 4 5 6] [1 1 2 1 2 2]]] [class 0 polygons [[1 2 3 4 5 6]]] [class 0 polygons [[1 2 3 4 5 6]]] [class 0 rle {2 3 [1 2 3]} crowd] [class 0 rle {7 2 [5 2 3 4]}] [class 1 box [0 0 1 1] format 1 keypoints [1 2 2 3 4 0] dims 3] [class 1 keypoints [1 2 2 3 4 0] dims 0]`},
		{"backgrounds in four spellings stay without objects",
			`{"classes": [{"id": 1, "name": "cat"}, {"id": 0, "name": "__background__"}], "images": [
				{"id": 1, "file_name": "a.jpg", "annotations": [{"class_id": -1, "bbox": [0, 0, 1, 1]}]},
				{"id": 2, "file_name": "b.jpg", "annotation": {"class_name": "__background__"}},
				{"id": 3, "file_name": "c.jpg", "annotations": [{"is_background": true}]},
				{"id": 4, "file_name": "d.jpg", "annotations": [{"class_id": 0}]}]}`,
			"1 a.jpg 0x0 label -1 split \"\":\n2 b.jpg 0x0 label -2 split \"\":\n3 c.jpg 0x0 label -2 split \"\":\n4 d.jpg 0x0 label -2 split \"\":"},
		{"class by name, and several labels",
			`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg", "annotations": [{"class_name": "dog"}]}, {"id": 2, "file_name": "b.jpg", "annotations": [{"class_id": 1}, {"class_id": 3}]}]}`,
			"1 a.jpg 0x0 label -1 split \"\": [class 1]\n2 b.jpg 0x0 label -1 split \"\": [class 0] [class 1]"},
		{"a background in a top-level list, and beside an object",
			`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}], "annotations": [{"image_id": 1, "category_id": -1}, {"image_id": 2, "category_id": 3}, {"image_id": 2, "category_id": -1}]}`,
			"1 a.jpg 0x0 label -2 split \"\":\n2 b.jpg 0x0 label -2 split \"\": [class 1]"},
		{"byte-order mark, CRLF, escapes",
			"\xef\xbb\xbf{\"classes\": [\"a\"],\r\n\"images\": [{\"id\": 1, \"file_name\": \"\\ud55c/\\u00e9\\n.jpg\"}]}\r\n",
			"1 한/é\n.jpg 0x0 label -1 split \"\":"},
	} {
		got, problems := read(t, c.text)
		if dump(got) != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, dump(got), c.want)
		}
		if list := problems.Problems(); len(list) > 0 {
			t.Errorf("%s: %v", c.name, list)
		}
	}
}

func TestProblemsAreNamed(t *testing.T) {
	const classes = `"classes": [{"id": 1, "name": "cat"}]`
	one := func(annotation string) string {
		return `{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg", "annotations": [` + annotation + `]}]}`
	}
	for _, c := range []struct{ text, code, example string }{
		{one(`{"id": 17, "class_id": 1, "bbox": [1, NaN, 2, 3]}`), "bad_number", "annotation 17 of image 1: bbox has NaN"},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, -Infinity, 2, 3]}`), "bad_number", "annotation 17 of image 1: bbox has -Infinity"},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, 1e999, 2, 3]}`), "bad_number", "annotation 17 of image 1: bbox has 1e999"},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, "2", 2, 3]}`), "bad_number", "annotation 17 of image 1: bbox has a string where a number belongs"},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, null, 2, 3]}`), "bad_number", "has null"},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, 2, 3]}`), "bad_shape", "bbox has 3 numbers"},
		{one(`{"id": 17, "class_id": 1, "bbox": {"x": 1}}`), "bad_number", "bbox is not a list"},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, 2, 3, 4], "bbox_format": "yolo"}`), "bad_bbox_format", `"yolo"`},
		{one(`{"id": 17, "class_id": 1, "segmentation": [[1, 2, NaN, 4, 5, 6]]}`), "bad_number", "segmentation has NaN"},
		{one(`{"id": 17, "class_id": 1, "segmentation": {"size": [2, 3], "counts": [1, 2]}}`), "bad_shape", "add up to 3, not 2 times 3"},
		{one(`{"id": 17, "class_id": 1, "segmentation": {"size": [2, 3], "counts": "~~"}}`), "bad_shape", "not a compressed COCO mask"},
		{one(`{"id": 17, "class_id": 1, "keypoints": [[1, 2, 2], [3, 4]]}`), "bad_shape", "different lengths"},
		{one(`{"id": 17, "class_id": 1, "keypoints": [1, [2, 3]]}`), "bad_number", "mixes numbers and points"},
		{one(`{"id": 17, "class_id": 2, "bbox": [1, 2, 3, 4]}`), "unknown_class", "annotation 17 of image 1"},
		{one(`{"id": 17, "class_id": 9007199254740993, "bbox": [1, 2, 3, 4]}`), "unknown_class", "annotation 17 of image 1"},
		{one(`{"id": 17, "bbox": [1, 2, 3, 4]}`), "no_class", "annotation 17 of image 1"},
		{one(`{"id": 17, "class_id": 1, "class_name": "dog", "bbox": [1, 2, 3, 4]}`), "class_name_differs", `class_id 1 is "cat", not "dog"`},
		{one(`{"id": 17, "class_id": 1, "bbox": [1, 2, 3, 4], "bbox": [1, 2, 3, 5]}`), "duplicate_key", `"bbox"`},
		{one(`null`), "null_entry", "annotation 1"},
		{one(`{}`), "null_entry", "annotation 1 of the file of image 1"},
		{`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 3, "image_id": 2, "category_id": 1}]}`, "unknown_image_id", "annotation 3 names image 2"},
		{`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 3, "category_id": 1}]}`, "unknown_image_id", "annotation 3 has no image_id"},
		{`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}, {"id": "1", "file_name": "b.jpg"}]}`, "duplicate_image_id", "1"},
		{`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]}`, "duplicate_file_name", `"a.jpg"`},
		{`{` + classes + `, "images": [{"id": 1}]}`, "no_file_name", "image 1"},
		{`{` + classes + `, "images": [null]}`, "no_file_name", "image 1 of the list"},
		{`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg", "split": "valid"}]}`, "bad_split", `image 1: "valid"`},
		{`{` + classes + `, "images": [{"id": 1, "file_name": "a.jpg"}], "split_config": {"splits": {"1": "x"}}}`, "bad_split_config", `split "x"`},
		{`{` + classes + `, "images": []}`, "no_images", "images is empty"},
		{`{"images": [{"id": 1, "file_name": "a.jpg"}]}`, "no_classes", "empty"},
		{`{"classes": [{"id": 1, "name": "a"}, {"id": "1", "name": "b"}], "images": [{"id": 1, "file_name": "a.jpg"}]}`, "duplicate_class_id", `"1"`},
		{`{"classes": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "images": [{"id": 1, "file_name": "a.jpg"}]}`, "duplicate_class_name", `"a"`},
		{`{"classes": [{"id": 1, "name": ""}], "images": [{"id": 1, "file_name": "a.jpg"}]}`, "empty_class_name", "1"},
	} {
		_, problems := read(t, c.text)
		list := problems.Problems()
		if len(list) != 1 || list[0].Code != c.code || !strings.Contains(strings.Join(list[0].Examples, ";"), c.example) {
			t.Errorf("%s:\n%+v\nwant %s with %q", c.text, list, c.code, c.example)
		}
	}
}

func TestClassesAreInIDOrder(t *testing.T) {
	c, _ := read(t, `{"classes": [{"id": 10, "name": "ten"}, {"id": 9007199254740993, "name": "huge"}, {"id": "x", "name": "ex"}, {"id": 2, "name": "two"}, {"id": -5, "name": "minus"}], "images": [{"id": 1, "file_name": "a"}]}`)
	var got []string
	for _, class := range c.Classes {
		got = append(got, string(class.ID)+" "+class.Name)
	}
	want := `-5 minus, 2 two, 10 ten, 9007199254740993 huge, "x" ex`
	if strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestSplitConfigIsRead(t *testing.T) {
	c, problems := read(t, `{"classes": ["a"], "images": [{"id": 1, "file_name": "a"}], "split_config": {"method": "manual", "default_ratio": [0.7, 0.3], "splits": {"1": "train", "é\n": null}, "created": {"by": [1, true]}}}`)
	if c.Split == nil || c.Split.Method != contract.SplitCustom || len(c.Split.CustomSplits) != 2 || c.Split.Ratio[0] != 0.7 {
		t.Errorf("%+v, %v", c.Split, problems.Problems())
	}
}

func TestBrokenTextIsOneClearError(t *testing.T) {
	deep := strings.Repeat("[", 1000000)
	for text, want := range map[string]string{
		``:                                 "unexpected end of the file at byte 0",
		`[]`:                               "expected an object",
		`{"images": [`:                     "unexpected end",
		`{"images": [] } x`:                "more text after the end",
		`{"images": [1,]}`:                 "",
		`{"x": ` + deep:                    "nested more than",
		`{"x": 01}`:                        "expected a number, found '0'",
		`{"x": "` + "\x01" + `"}`:          "control character",
		`{"x": "\u12g4"}`:                  "broken \\u",
		`{"x": tru}`:                       "unexpected 't'",
		`{"images": {}}`:                   `"images" is not a list`,
		`{"dataset_id": "` + "\xff" + `"}`: "not valid UTF-8",
		`{"x": ` + strings.Repeat("9", 2000) + `}`: "more than 1024 digits",
	} {
		_, err := Read(strings.NewReader(text), "annotations.json", contract.TaskInstanceSegmentation, new(problem.List), DefaultLimits)
		f := contract.AsFailure(err)
		if f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message, want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}

func TestLimitsHold(t *testing.T) {
	text := `{"classes": ["a"], "images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "b"}], "annotations": [{"image_id": 1, "class_id": 0, "bbox": [1,2,3,4]}, {"image_id": 1, "class_id": 0, "bbox": [1,2,3,4]}]}`
	for _, limits := range []Limits{{100, 9, 9, 9, 99}, {9999, 1, 9, 9, 99}, {9999, 9, 1, 9, 99}, {9999, 9, 9, 1, 99}, {9999, 9, 9, 9, 5}} {
		_, err := Read(strings.NewReader(text), "annotations.json", contract.TaskInstanceSegmentation, new(problem.List), limits)
		if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetTooLarge {
			t.Errorf("%+v: %v", limits, err)
		}
	}
}

func TestAnImageHasSoManyObjectsOnly(t *testing.T) {
	const box = `{"class_id": 0, "image_id": 7, "bbox": [1, 2, 3, 4]}`
	for where, text := range map[string]string{
		"in the image": `{"classes": ["a"], "images": [{"id": 7, "file_name": "a", "annotations": [%s]}]}`,
		"as a list":    `{"classes": ["a"], "images": [{"id": 7, "file_name": "a", "annotation": [%s]}]}`,
		"beside it":    `{"classes": ["a"], "images": [{"id": 7, "file_name": "a"}], "annotations": [%s]}`,
		"before it":    `{"annotations": [%s], "classes": ["a"], "images": [{"id": 7, "file_name": "a"}]}`,
	} {
		limits := DefaultLimits
		limits.Each = 2
		for n, fits := range map[int]bool{2: true, 3: false} {
			boxes := strings.TrimSuffix(strings.Repeat(box+",", n), ",")
			_, err := Read(strings.NewReader(fmt.Sprintf(text, boxes)), "annotations.json", contract.TaskObjectDetection, new(problem.List), limits)
			f := contract.AsFailure(err)
			if (f == nil) != fits || f != nil && (f.Code != contract.CodeDatasetTooLarge || !strings.Contains(f.Line(), "image 7 has more than 2")) {
				t.Errorf("%s, %d: %v", where, n, err)
			}
		}
	}
}

// TestOnlyWhatTheTaskUsesIsKept: the rest is checked all the same, and what is kept
// is not written over by what comes after it.
func TestOnlyWhatTheTaskUsesIsKept(t *testing.T) {
	const text = `{"classes": [{"id": 1, "name": "cat"}], "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6, "annotations": [
		{"class_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]},
		{"class_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]], "bbox": [1, 1, 5, 5], "keypoints": [2, 2, 2]},
		{"class_id": 1, "segmentation": [[2, 2, 7, 2, 7, "x"]], "bbox": [2, 2, 5, 5]},
		{"class_id": 1, "keypoints": [3, 3, 2]}]}]}`
	const (
		rest   = `1 a.jpg 8x6 label -1 split "": [class 0 polygons [[0 0 5 0 5 5]]] [class 0 box [1 1 5 5] format 0`
		points = `] [class 0 keypoints [3 3 2] dims 0]`
	)
	for task, want := range map[contract.TaskType]string{
		contract.TaskObjectDetection:      rest + points,
		contract.TaskInstanceSegmentation: rest + ` polygons [[1 1 6 1 6 6]]` + points,
		contract.TaskSemanticSegmentation: rest + ` polygons [[1 1 6 1 6 6]]` + points,
		contract.TaskPoseEstimation:       rest + ` keypoints [2 2 2] dims 0` + points,
	} {
		c, problems := readFor(t, task, text)
		if got := dump(c); got != want {
			t.Errorf("%s: %s, want %s", task, got, want)
		}
		if list := problems.Problems(); len(list) != 1 || list[0].Code != problem.BadNumber.Code {
			t.Errorf("%s: problems %+v", task, list)
		}
	}
}

// TestAnnotationsByImageAreNoSnapshot: they are an object too, and came out as none.
func TestAnnotationsByImageAreNoSnapshot(t *testing.T) {
	const images = `"classes": [{"id": 1, "name": "cat"}], "images": [{"id": 7, "file_name": "a.jpg"}]`
	for text, says := range map[string]string{
		`{` + images + `, "annotations": {"7": [{"class_id": 1, "bbox": [1, 2, 3, 4]}]}}`: `"annotations" is no list`,
		`{` + images + `, "annotations": {}}`:                                             "",
		`{"annotations": {"snapshot_id": "s1", ` + images + `}}`:                          "",
		`{"snapshot_id": "s1", "annotations": {` + images + `, "7": []}}`:                 "",
	} {
		_, err := Read(strings.NewReader(text), "annotations.json", contract.TaskObjectDetection, new(problem.List), DefaultLimits)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

// TestABoxIsReadWithoutAllocations of its own: a dataset has a million, and one
// allocation each was half of the time of a conversion.
func TestABoxIsReadWithoutAllocations(t *testing.T) {
	allocations := func(boxes int) float64 {
		one := `{"id": 1, "class_id": 1, "iscrowd": 0, "bbox": [1.5, 2.5, 30, 40], "attributes": {"occluded": false, "rotation": 0.0}}`
		text := `{"classes": [{"id": 1, "name": "cat"}], "images": [{"id": 7, "file_name": "a.jpg", "annotations": [` + strings.Repeat(one+", ", boxes) + one + `]}]}`
		return testing.AllocsPerRun(5, func() {
			if _, err := Read(strings.NewReader(text), "annotations.json", contract.TaskObjectDetection, new(problem.List), DefaultLimits); err != nil {
				t.Fatal(err)
			}
		})
	}
	if each := (allocations(3000) - allocations(1000)) / 2000; each > 0.1 {
		t.Errorf("%v allocations a box", each)
	}
}

func TestAReadErrorIsPassedOn(t *testing.T) {
	_, err := Read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(`{"images": []}`))), "annotations.json", contract.TaskInstanceSegmentation, new(problem.List), DefaultLimits)
	if err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("error %v", err)
	}
}

// FuzzRead: no panic, and our idea of JSON is encoding/json's, but for the words
// that Python writes and the depth that we bound.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"classes": [{"id": 1, "name": "cat"}], "images": [{"id": 1, "file_name": "a.jpg", "annotations": [{"class_id": 1, "bbox": [1, 2, 3.5, 4e0], "segmentation": [[1, 2, 3, 4, 5, 6]]}]}]}`))
	f.Add([]byte(`{"categories": [{"id": "x", "name": "\u00e9"}], "annotations": [{"image_id": 1, "category_id": "x", "keypoints": [[1, 2, 2]], "segmentation": {"size": [2, 2], "counts": "13"}}], "images": [{"id": 1, "file_name": "a"}], "split_config": {"splits": {"1": null}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newScanner(iotest.HalfReader(strings.NewReader(string(text))))
		err := s.skip()
		valid := err == nil && s.atEnd()
		python := strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Infinity")
		if !python && !strings.HasPrefix(string(text), "\xef\xbb\xbf") && valid != json.Valid(text) &&
			(err == nil || (!strings.Contains(err.Error(), "nested") && !strings.Contains(err.Error(), "digits"))) {
			t.Fatalf("valid %v (%v), encoding/json says %v", valid, err, json.Valid(text))
		}
		problems := new(problem.List)
		c, err := Read(strings.NewReader(string(text)), "x", contract.TaskInstanceSegmentation, problems, Limits{1 << 20, 1000, 1000, 1000, 10000})
		if err != nil {
			return
		}
		for i := range c.Images {
			for _, k := range c.ObjectsOf(i) {
				o := c.Objects.At(int(k))
				if int(o.Image) != i || o.Class < 0 || int(o.Class) >= len(c.Classes) {
					t.Fatalf("object %+v in image %d of %d classes", o, i, len(c.Classes))
				}
			}
		}
	})
}
