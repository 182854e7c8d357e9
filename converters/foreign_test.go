package converters_test

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/converters/preview"
)

// splitSizes are the images of a prepared dataset's splits.
func splitSizes(p *converters.Prepared) string {
	var list []string
	for _, c := range p.Splits {
		list = append(list, fmt.Sprintf("%s %d/%d", c.Split, c.Images, c.Objects))
	}
	return strings.Join(list, ", ")
}

// yoloFolder is a dataset that came as YOLO, with paths of another machine.
func yoloFolder(t *testing.T, extra m) string {
	files := m{
		"data.yaml":               "path: /home/someone/datasets/cats\ntrain: images/train\nval: images/val\nnc: 2\nnames: [no, dog]\n",
		"images/train/a/x.jpg":    jpegOf(64, 48),
		"images/train/b/x.jpg":    jpegOf(64, 48),
		"images/val/y.jpg":        jpegOf(64, 48),
		"labels/train/a/x.txt":    goodRow + "1 0.1 0.1 0.1 0.1\r\n",
		"labels/train/b/x.txt":    "1" + goodRow[1:],
		"labels/val/y.txt":        "\xef\xbb\xbf" + goodRow,
		"labels/train.cache":      "stale",
		"images/train/.thumbs.db": "x",
	}
	for name, content := range extra {
		files[name] = content
	}
	return folder(t, files)
}

func TestYOLODatasetIsUsedWithItsOwnSplit(t *testing.T) {
	p := prepare(t, request(t, yoloFolder(t, nil), contract.TaskObjectDetection, contract.FormatYOLO))
	if p.Source != "yolo" || splitSizes(p) != "train 2/3, val 1/1" || p.SplitSource != "images" {
		t.Errorf("%s %s %s", p.Source, splitSizes(p), p.SplitSource)
	}
	written := labels(t, p)
	for path, text := range written {
		if strings.HasSuffix(path, "a/x.txt") && text != goodRow+"1 0.100000 0.100000 0.100000 0.100000\n" {
			t.Errorf("%s is %q", path, text)
		}
	}
	if len(written) != 3 || p.Classes.Classes[0].Name != "no" {
		t.Errorf("%v %+v", written, p.Classes)
	}
}

func TestYOLODatasetWithLists(t *testing.T) {
	p := prepare(t, request(t, yoloFolder(t, m{
		"data.yaml": "train: [train.txt]\nval: val.txt\nnames:\n  0: cat\n  1: dog\n",
		"train.txt": "./images/train/a/x.jpg\n/home/someone/datasets/cats/images/train/b/x.jpg\r\n./gone.jpg\n",
		"val.txt":   "images/val/y.jpg",
	}), contract.TaskObjectDetection, contract.FormatYOLO))
	if splitSizes(p) != "train 2/3, val 1/1" || find(p, "listed_image_missing").Count != 1 {
		t.Errorf("%s %v", splitSizes(p), p.Problems)
	}
}

func TestYOLODatasetBecomesCOCO(t *testing.T) {
	p := prepare(t, request(t, yoloFolder(t, nil), contract.TaskObjectDetection, contract.FormatCOCO))
	if text := listing(t, p.Dir)["annotations/instances_val.json"]; !strings.Contains(text, `"category_id": 1, "bbox": [16, 12, 32, 24]`) {
		t.Error(text)
	}
}

// TestImagesForTestingAreNeverTrainedOn: a dataset of train and test, without val,
// is common, and only its training images may be shared out.
func TestImagesForTestingAreNeverTrainedOn(t *testing.T) {
	yolo, folders := m{"data.yaml": "train: images/train\ntest: images/test\nnames: [cat]\n"}, m{}
	for i := range 10 {
		for split, n := range map[string]int{"train": 10, "test": 5} {
			if i < n {
				name := fmt.Sprintf("%s/%s%d", split, split, i)
				yolo["images/"+name+".jpg"], yolo["labels/"+name+".txt"] = jpegOf(64, 48), goodRow
				folders[fmt.Sprintf("%s/%s/%d.jpg", split, []string{"cat", "dog"}[i%2], i)] = jpegOf(64, 48)
			}
		}
	}
	for task, root := range map[contract.TaskType]string{contract.TaskObjectDetection: folder(t, yolo), classifying: folder(t, folders)} {
		r := request(t, root, task, contract.ResolveFormat(contract.FrameworkUltralytics, task))
		r.Split = strategy(t, `{"method": "use_dataset", "stratify": true}`)
		p := prepare(t, r)
		if splitSizes(p) != "train 8/8, val 2/2, test 5/5" || find(p, "no_validation_split").Count != 10 {
			t.Errorf("%s: %s %v", task, splitSizes(p), p.Problems)
		}
	}
	only := folder(t, m{"val2017/a.jpg": jpegOf(64, 48), "val2017/b.jpg": jpegOf(64, 48), "val2017/c.jpg": jpegOf(64, 48), "val2017/d.jpg": jpegOf(64, 48),
		"annotations/instances_val2017.json": m{"categories": []any{m{"id": 1, "name": "cat"}},
			"images":      []any{m{"id": 1, "file_name": "a.jpg"}, m{"id": 2, "file_name": "b.jpg"}, m{"id": 3, "file_name": "c.jpg"}, m{"id": 4, "file_name": "d.jpg"}},
			"annotations": []any{m{"id": 1, "image_id": 1, "category_id": 1, "bbox": []float64{1, 2, 30, 40}}}}})
	if p := prepare(t, request(t, only, contract.TaskObjectDetection, contract.FormatYOLO)); p.SplitSource != "default" || p.Splits[0].Images != 3 {
		t.Errorf("only val: %s %s", p.SplitSource, splitSizes(p))
	}
}

// TestYOLOConfigurationsThatAreWrongAreNamed, where they were read over before and
// the classes lost their names and the images their split.
func TestYOLOConfigurationsThatAreWrongAreNamed(t *testing.T) {
	for config, want := range map[string]string{
		"train: images/train\nval: images/val\nnames: [no, dog\n":            "data.yaml cannot be read: it is no configuration of a dataset: [",
		"train: images/train\nval: images/val\nnc: two\nnames: [no, dog]\n":  "data.yaml cannot be read: it is no configuration of a dataset: [3:5] ",
		"train: images/train\nval: images/val\nnames: {0: cat, x: dog}\n":    `names in data.yaml are not class numbers: 1 ("x")`,
		"train: images/train\nval: images/val\nnames: {0: cat, -1: dog}\n":   `names in data.yaml are not class numbers: 1 ("-1")`,
		"train: images/train\nval: images/train\nnames: {0: a, 1: b}\n":      "images are in two splits",
		"train: images/train\nval: images/val\nnc: 1\nnames: {0: a, 1: b}\n": "data.yaml contradicts itself: nc is 1 and names has 2",
		"train: images/train\nval: images/val\nnc: 3\nnames: [a, b]\n":       "nc is 3 and names has 2",
		"train: images/train\nval: images\\vall\nnames: [a, b]\n":            `lead to no image, while others do: 1 (val: images\vall (backslash: a separator on Windows only))`,
		// Each of these took the parser minutes, or gigabytes.
		"train: a\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nnames: *b\n": "it has aliases, or is nested too deep",
		"train: a\nnames: " + strings.Repeat("[", 100_000):                            "it has aliases, or is nested too deep",
		"train: a\nnames:\n" + strings.Repeat("- ", 100_000):                          "it has aliases, or is nested too deep",
		"train: a\nnames:\n" + strings.Repeat("&a ", 100_000):                         "it has aliases, or is nested too deep",
	} {
		_, err := converters.Prepare(t.Context(), request(t, yoloFolder(t, m{"data.yaml": config}), contract.TaskObjectDetection, contract.FormatYOLO))
		if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message, want) || strings.Contains(f.Message, "\n") || f.Hint == "" {
			t.Errorf("%q: %v", config, err)
		}
	}
	p := prepare(t, request(t, yoloFolder(t, m{"data.yaml": "train: images/train\nval: images/val\ntest: images/tests\nnames: [null, dog]\n"}), contract.TaskObjectDetection, contract.FormatYOLO))
	if find(p, "no_test_images").Examples[0] != "test: images/tests" || p.Classes.Classes[0].Name != "class 0" {
		t.Errorf("%+v", p)
	}
	other := yoloFolder(t, m{"a.yaml": "not: [closed", "docker.yml": "train: 7"}) // not ours to judge
	if p := prepare(t, request(t, other, contract.TaskObjectDetection, contract.FormatYOLO)); splitSizes(p) != "train 2/3, val 1/1" {
		t.Error(splitSizes(p))
	}
}

func TestYOLOLabelsThatTheReaderDropsAreNamed(t *testing.T) {
	for row, want := range map[string]string{
		"0 .5 .5 .2\n":             "has 4 columns",
		"0 .5 .5 .2 .2 .9\n":       "has 6 columns",
		"2 .5 .5 .2 .2\n":          "has class 2",
		"-1 .5 .5 .2 .2\n":         "has class -1",
		"0.7 .5 .5 .2 .2\n":        "has class 0.7",
		"cat .5 .5 .2 .2\n":        `has "cat"`,
		"0 .5 .5 nan .2\n":         `has "nan"`,
		"0 320 240 32 24\n":        "has a coordinate outside of 0 to 1",
		"0 .5 .5 .2 -.005\n":       "has a coordinate outside of 0 to 1",
		"0 .1 .1 .2 .2 .3 1.5\n":   "has a coordinate outside of 0 to 1",
		"0 .1 .1 .2 .2 .3 .3 .4\n": "has 8 columns",
	} {
		_, err := converters.Prepare(t.Context(), request(t, yoloFolder(t, m{"labels/val/y.txt": goodRow + row}), contract.TaskObjectDetection, contract.FormatYOLO))
		if f := contract.AsFailure(err); f == nil || !strings.Contains(strings.Join(f.Evidence, "\n"), "y.txt row 2 "+want) {
			t.Errorf("%q: %v", row, err)
		}
	}
}

// A number beyond the names is a mistyped one: with a made-up name it would be a class of its own.
func TestYOLOClassesBeyondTheNamesAreRefused(t *testing.T) {
	const seven = goodRow + "7 .5 .5 .2 .2\n"
	for names, files := range map[string]m{
		"a list":      {"data.yaml": "train: images/train\nval: images/val\nnames: [cat, dog]\n"},
		"by number":   {"data.yaml": "train: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n"},
		"classes.txt": {"data.yaml": nil, "classes.txt": "cat\ndog\n"},
	} {
		files["labels/val/y.txt"] = seven
		_, err := converters.Prepare(t.Context(), request(t, yoloFolder(t, files), contract.TaskObjectDetection, contract.FormatYOLO))
		f := contract.AsFailure(err)
		if f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message+strings.Join(f.Evidence, "\n"), "class 7 of 2") || f.Hint == "" {
			t.Errorf("%s: %v", names, err)
		}
	}
	unnamed := m{"data.yaml": nil, "labels/val/y.txt": "2 .5 .5 .2 .2\n"}
	if p := prepare(t, request(t, yoloFolder(t, unnamed), contract.TaskObjectDetection, contract.FormatYOLO)); len(p.Classes.Classes) != 3 || find(p, "class_without_name").Count == 0 {
		t.Errorf("%+v", p.Classes)
	}
}

func TestYOLOLabelsAtTheWrongPlaceAreNamed(t *testing.T) {
	files := m{"data.yaml": "train: Images/train\nval: Images/val\nnames: [cat]\n"}
	for _, name := range []string{"train/a", "val/b"} {
		files["Images/"+name+".jpg"], files["Boxes/"+name+".txt"] = jpegOf(64, 48), goodRow
	}
	_, err := converters.Prepare(t.Context(), request(t, folder(t, files), contract.TaskObjectDetection, contract.FormatYOLO))
	if f := contract.AsFailure(err); f == nil || !strings.Contains(f.Message, `"Images/train/a.txt"`) {
		t.Errorf("error %v", err)
	}
}

func TestAnImageInTwoSplitsOfYOLO(t *testing.T) {
	_, err := converters.Prepare(t.Context(), request(t, yoloFolder(t, m{"data.yaml": "train: images\nval: images/val\nnames: [cat, dog]\n"}), contract.TaskObjectDetection, contract.FormatYOLO))
	if f := contract.AsFailure(err); f == nil || !strings.Contains(f.Message, "images are in two splits") {
		t.Errorf("error %v", err)
	}
}

func TestClassFoldersAreUsedWithTheirOwnSplit(t *testing.T) {
	for _, val := range []string{"val", "valid", "validation"} {
		files := m{".DS_Store": "x"}
		for _, name := range []string{"train/b/1.jpg", "train/a/1.jpg", "train/a/2.png", val + "/a/3.jpg", val + "/b/4.jpg"} {
			files[name] = jpegOf(32, 32)
		}
		p := prepare(t, request(t, folder(t, files), contract.TaskImageClassification, contract.FormatImageFolder))
		if p.Source != "imagefolder" || splitSizes(p) != "train 3/3, val 2/2" || p.Classes.Classes[1].Name != "b" {
			t.Errorf("%s: %s %s %+v", val, p.Source, splitSizes(p), p.Classes)
		}
	}
}

// TestImagesThatNoFrameworkListsAreReported: their suffix keeps them out of its list.
func TestImagesThatNoFrameworkListsAreReported(t *testing.T) {
	files := m{}
	for _, name := range []string{"train/a/1", "train/b/1", "val/a/1", "val/b/1"} {
		files[name+".jpg"] = jpegOf(32, 32)
	}
	files["train/a/2.jfif"], files["val/b/2.ppm"], files["train/stray.png"], files["train/stray.jpg"] = jpegOf(32, 32), "P6 1 1 255 abc", pngOf(32, 32), jpegOf(32, 32)
	p := prepare(t, request(t, folder(t, files), contract.TaskImageClassification, contract.FormatImageFolder))
	if splitSizes(p) != "train 3/3, val 2/2" || fmt.Sprint(find(p, "not_an_image").Examples, find(p, "unlisted_file").Examples) != `["val/b/2.ppm"] ["train/stray.jpg" "train/stray.png"]` {
		t.Errorf("%s %+v", splitSizes(p), p.Problems)
	}
}

func TestClassFoldersWithoutSplitsAreSplit(t *testing.T) {
	files := m{}
	for i := range 10 {
		files[fmt.Sprintf("cat/%d.jpg", i)], files[fmt.Sprintf("dog/sub/%d.jpg", i)] = jpegOf(32, 32), jpegOf(32, 32)
	}
	r := request(t, folder(t, files), contract.TaskImageClassification, contract.FormatImageFolder)
	r.Split = strategy(t, `{"stratify": true}`)
	if p := prepare(t, r); splitSizes(p) != "train 16/16, val 4/4" {
		t.Error(splitSizes(p))
	}
}

func TestCOCODatasetsInTheLayoutsOfTheField(t *testing.T) {
	coco := func(file string, class int) m {
		return m{"info": m{}, "categories": []any{m{"id": 1, "name": "cat"}, m{"id": class, "name": "dog"}},
			"images":      []any{m{"id": 7, "file_name": file, "width": 64, "height": 48}},
			"annotations": []any{m{"id": 1, "image_id": 7, "category_id": 1, "bbox": []float64{16, 12, 32, 24}, "iscrowd": 0}}}
	}
	for name, files := range map[string]m{
		"the original's": {"annotations/instances_train2017.json": coco("x.jpg", 2), "annotations/instances_val2017.json": coco("y.jpg", 2),
			"annotations/captions_val2017.json": coco("y.jpg", 2), "train2017/x.jpg": jpegOf(64, 48), "val2017/y.jpg": jpegOf(64, 48)},
		"Roboflow's": {"train/_annotations.coco.json": coco("x.jpg", 2), "valid/_annotations.coco.json": coco("y.jpg", 2), "train/x.jpg": jpegOf(64, 48), "valid/y.jpg": jpegOf(64, 48)},
		"ours":       {"annotations/instances_train.json": coco("x.jpg", 2), "annotations/instances_val.json": coco("y.jpg", 2), "images/train/x.jpg": jpegOf(64, 48), "images/val/y.jpg": jpegOf(64, 48)},
	} {
		p := prepare(t, request(t, folder(t, files), contract.TaskObjectDetection, contract.FormatYOLO))
		if p.Source != "coco" || splitSizes(p) != "train 1/1, val 1/1" {
			t.Errorf("%s: %s %s %v", name, p.Source, splitSizes(p), p.Problems)
		}
	}
	differ := folder(t, m{"train/a.json": coco("x.jpg", 2), "valid/a.json": coco("y.jpg", 3), "train/x.jpg": jpegOf(64, 48), "valid/y.jpg": jpegOf(64, 48)})
	if _, err := converters.Prepare(t.Context(), request(t, differ, contract.TaskObjectDetection, contract.FormatYOLO)); err == nil || !strings.Contains(err.Error(), "categories differ") {
		t.Errorf("error %v", err)
	}
}

// TestCOCOBecomesCOCOWithItsIdsAndMasks: nothing of it needs to be changed.
func TestCOCOBecomesCOCOWithItsIdsAndMasks(t *testing.T) {
	ring := m{"size": []int{48, 64}, "counts": []int{48 + 1, 3, 45, 1, 1, 1, 45, 3, 48*64 - 48 - 1 - 3 - 45 - 1 - 1 - 1 - 45 - 3}}
	coco := func(id int, file string) m {
		return m{"categories": []any{m{"id": 18, "name": "dog"}}, "images": []any{m{"id": id, "file_name": file}},
			"annotations": []any{m{"id": 1, "image_id": id, "category_id": 18, "segmentation": ring, "keypoints": []int{1, 2, 2}, "bbox": []int{1, 1, 9, 9}}}}
	}
	files := m{"train/x.jpg": jpegOf(64, 48), "val/y.jpg": other(64, 48), "annotations/captions_train.json": m{"images": []any{m{"id": 7, "file_name": "x.jpg"}}, "annotations": []any{m{"id": 1, "image_id": 7, "caption": "x"}}},
		"annotations/instances_train.json": coco(7, "x.jpg"), "annotations/instances_val.json": coco(9, "y.jpg")}
	p := prepare(t, request(t, folder(t, files), contract.TaskInstanceSegmentation, contract.FormatCOCO))
	if text := listing(t, p.Dir)["annotations/instances_val.json"]; len(p.Problems) != 0 || !strings.Contains(text, `"image_id": 9,`) || !strings.Contains(text, `"counts": [49, 3, 45, 1, 1, 1,`) {
		t.Errorf("%v\n%s", p.Problems, text)
	}
	pose := prepare(t, request(t, folder(t, files), contract.TaskPoseEstimation, contract.FormatYOLO)) // not from the captions
	if splitSizes(pose) != "train 1/1, val 1/1" {
		t.Errorf("%s %v", splitSizes(pose), pose.Problems)
	}
	files["annotations/instances_val.json"], files["annotations/instances_val2.json"] = coco(7, "y.jpg"), coco(7, "z.jpg")
	files["val/z.jpg"] = jpegOf(64, 48)
	p = prepare(t, request(t, folder(t, files), contract.TaskInstanceSegmentation, contract.FormatCOCO))
	if splitSizes(p) != "train 1/1, val 2/2" || find(p, "image_ids_renumbered").Count != 3 {
		t.Errorf("%s %v", splitSizes(p), p.Problems)
	}
}

func TestALayoutThatNobodyKnows(t *testing.T) {
	_, err := converters.Prepare(t.Context(), request(t, folder(t, m{"a.jpg": jpegOf(20, 20)}), contract.TaskObjectDetection, contract.FormatYOLO))
	if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Hint, "annotations.json") {
		t.Errorf("error %v", err)
	}
}

// TestConvertedBoxesReadBack converts, reads the written labels back and finds
// every box again, in every format that has boxes.
func TestConvertedBoxesReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	want := map[string][4]float64{}
	root := dataset(t, 40, func(i int) []any {
		x, y := r.Float64()*40, r.Float64()*30
		b := [4]float64{x, y, 1 + r.Float64()*(63-x), 1 + r.Float64()*(47-y)}
		want[fmt.Sprintf("%d.jpg", i)] = b
		return []any{box(1, b[:]...)}
	}, nil)
	for _, format := range []contract.DatasetFormat{contract.FormatYOLO, contract.FormatCOCO} {
		p := prepare(t, request(t, root, contract.TaskObjectDetection, format))
		again := prepare(t, request(t, p.Dir, contract.TaskObjectDetection, contract.FormatYOLO)) // read as foreign
		n := 0
		for path, row := range labels(t, again) {
			var class int
			var cx, cy, w, h float64
			if _, err := fmt.Sscan(row, &class, &cx, &cy, &w, &h); err != nil {
				t.Fatalf("%s: %q: %v", path, row, err)
			}
			b := want[strings.TrimSuffix(filepath.Base(path), ".txt")+".jpg"]
			for k, d := range []float64{cx - (b[0]+b[2]/2)/64, cy - (b[1]+b[3]/2)/48, w - b[2]/64, h - b[3]/48} {
				if math.Abs(d) > 1.01e-6 {
					t.Errorf("%s: number %d is %g off", path, k, d)
				}
			}
			n++
		}
		if n != len(want) || splitSizes(again) != splitSizes(p) {
			t.Errorf("%s: %d labels of %d; %s, then %s", format, n, len(want), splitSizes(p), splitSizes(again))
		}
	}
}

// TestPreviewDrawsTheWrittenLabels looks for the class colour where the label is.
func TestPreviewDrawsTheWrittenLabels(t *testing.T) {
	for task, root := range map[contract.TaskType]string{
		contract.TaskObjectDetection:      first(good())(t),
		contract.TaskInstanceSegmentation: segments(seg(1, square))(t),
	} {
		p := prepare(t, request(t, root, task, contract.FormatYOLO))
		var out bytes.Buffer
		if err := preview.Write(t.Context(), &out, p.Dir, task, 4); err != nil {
			t.Fatal(err)
		}
		sheet, err := png.Decode(&out)
		if err != nil {
			t.Fatal(err)
		}
		// The box of 64×48 at 16, 12 is drawn five times as large, 6 from the corner.
		for _, at := range [][2]int{{6 + 80, 6 + 120}, {6 + 240, 6 + 120}, {6 + 160, 6 + 180}} {
			want := preview.Color(0)
			r, g, b, _ := sheet.At(at[0], at[1]).RGBA()
			if uint8(r>>8) != want.R || uint8(g>>8) != want.G || uint8(b>>8) != want.B {
				t.Errorf("%s: pixel %v is %d,%d,%d, want %v", task, at, r>>8, g>>8, b>>8, want)
			}
		}
	}
}

func TestPreviewOfClassesAndOfNothing(t *testing.T) {
	p := prepare(t, request(t, pets(t, []string{"ant", "네모"}), contract.TaskImageClassification, contract.FormatImageFolder))
	var out bytes.Buffer
	if err := preview.Write(t.Context(), &out, p.Dir, contract.TaskImageClassification, 100); err != nil || out.Len() < 1000 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if err := preview.Write(t.Context(), &out, t.TempDir(), contract.TaskObjectDetection, 4); err == nil {
		t.Error("an empty folder was drawn")
	}
}

func TestASnapshotReplacesTheAnnotations(t *testing.T) {
	root := dataset(t, 3, func(int) []any { return []any{good()} }, nil)
	r := request(t, root, contract.TaskObjectDetection, contract.FormatYOLO)
	r.Annotations = filepath.Join(t.TempDir(), "s.json")
	text, err := os.ReadFile(filepath.Join(root, "annotations.json"))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := `{"snapshot_id": "s", "annotations": ` + strings.ReplaceAll(string(text), "[16,12,32,24]", "[0,0,64,48]") + `}`
	if err := os.WriteFile(r.Annotations, []byte(snapshot), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, row := range labels(t, prepare(t, r)) {
		if row != "0 0.500000 0.500000 1.000000 1.000000\n" {
			t.Errorf("%s: %q", name, row)
		}
	}
}

func TestFormatNoneHandsOverTheFolder(t *testing.T) {
	root := dataset(t, 2, func(int) []any { return nil }, nil)
	p := prepare(t, request(t, root, contract.TaskObjectDetection, contract.FormatNone))
	if p.Dir != root || p.Annotations != filepath.Join(root, "annotations.json") {
		t.Errorf("%+v", p)
	}
}
