package converters_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

func box(class int, b ...float64) m { return m{"class_id": class, "bbox": b} }

func TestYOLODetectionLayout(t *testing.T) {
	root := dataset(t, 3, func(i int) []any {
		return [][]any{{box(1, 16, 12, 32, 24), box(5, 0, 0, 64, 48)}, {}, {box(5, 8, 8, 8, 8)}}[i]
	}, m{"split_config": m{"splits": m{"0": "train", "1": "val", "2": "test"}}})
	p := prepare(t, request(t, root, contract.TaskObjectDetection, contract.FormatYOLO))
	want := map[string]string{
		"data.yaml":          fmt.Sprintf("path: %q\ntrain: images/train\nval: images/val\ntest: images/test\nnc: 2\nnames:\n  0: \"cat\"\n  1: \"dog\"\n", p.Dir),
		"labels/train/0.txt": "0 0.500000 0.500000 0.500000 0.500000\n1 0.500000 0.500000 1.000000 1.000000\n",
		"labels/val/1.txt":   "",
		"labels/test/2.txt":  "1 0.187500 0.250000 0.125000 0.166667\n",
	}
	got := listing(t, p.Dir)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is %q, want %q", name, got[name], text)
		}
	}
	for _, name := range []string{"images/train/0.jpg", "images/val/1.jpg", "images/test/2.jpg", "classes.json"} {
		if got[name] == "" {
			t.Errorf("%s is missing in %v", name, got)
		}
	}
	if len(got) != 8 {
		t.Errorf("%d files: %v", len(got), got)
	}
	if p.Config != filepath.Join(p.Dir, "data.yaml") || len(p.Splits) != 3 || p.Splits[0].Objects != 2 || p.Splits[1].Backgrounds != 1 {
		t.Errorf("%+v", p)
	}
}

func TestProgressCountsImages(t *testing.T) {
	for _, format := range []contract.DatasetFormat{contract.FormatYOLO, contract.FormatCOCO} {
		root := dataset(t, 300, func(i int) []any { return []any{box(1, 3, 3, 10, 10)} }, nil)
		r := request(t, root, contract.TaskObjectDetection, format)
		last, phases := 0, 0
		r.Progress = func(done, total int) {
			if total != 300 || done > total || (done < last && last != total) {
				t.Errorf("%s: %d of %d after %d", format, done, total, last)
			}
			if last = done; done == total {
				phases++
			}
		}
		if prepare(t, r); last != 300 || phases != 2 {
			t.Errorf("%s: %d at the end of %d phases", format, last, phases)
		}
	}
}

func TestASecondConversionGivesTheSameBytes(t *testing.T) {
	root := dataset(t, 20, func(i int) []any { return []any{box(1, float64(i), 3, 10, 10), box(5, 1, float64(i), 9, 9)} }, nil)
	r := request(t, root, contract.TaskObjectDetection, contract.FormatYOLO)
	first := listing(t, prepare(t, r).Dir)
	second := listing(t, prepare(t, r).Dir) // replaces the first
	if !reflect.DeepEqual(first, second) {
		t.Errorf("two runs differ:\n%v\n%v", first, second)
	}
}

func TestImageFolderOrderIsTheSameForEveryReader(t *testing.T) {
	names := []string{"Zebra", "apple", "class10", "class2", "test_tube", "한국어", "a/b", "CON"}
	classes, images, files := []any{}, []any{}, m{}
	for i, name := range names {
		classes = append(classes, m{"id": i + 1, "name": name})
		for k := range 2 {
			file := fmt.Sprintf("sub%d/%d.jpg", k, i)
			files["images/"+file] = jpegOf(32, 32)
			images = append(images, m{"id": fmt.Sprint(i, "-", k), "file_name": file, "split": []string{"train", "val"}[k],
				"annotation": m{"class_id": i + 1, "class_name": name, "confidence": 1.0}})
		}
	}
	files["annotations.json"] = m{"classes": classes, "images": images}
	p := prepare(t, request(t, folder(t, files), contract.TaskImageClassification, contract.FormatImageFolder))
	var folders []string
	for i, c := range p.Classes.Classes {
		if c.Index != i || c.Name != names[i] {
			t.Errorf("class %d is %+v", i, c)
		}
		folders = append(folders, c.Folder)
	}
	want := "0_Zebra 1_apple 2_class10 3_class2 4_test+_tube 5_한국어 6_a_b 7_CON_"
	if got := strings.Join(folders, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got := listing(t, p.Dir)
	if got["class_map.txt"] != strings.ReplaceAll(want, " ", "\n")+"\n" {
		t.Errorf("class_map.txt %q", got["class_map.txt"])
	}
	if got["train/4_test+_tube/4.jpg"] == "" || got["val/4_test+_tube/4.jpg"] == "" {
		t.Errorf("files %v", slices.Sorted(maps.Keys(got)))
	}
	if !strings.Contains(got["renamed.json"], `"val/4_test+_tube/4.jpg": "sub1/4.jpg"`) {
		t.Errorf("which of the two files 4.jpg an image is cannot be told: %s", got["renamed.json"])
	}
}

// The platform's id of an image is found by the name that the platform has for it.
func TestTheNameOfAnImageBelowAnImageRootIsKept(t *testing.T) {
	root := folder(t, m{
		"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "storage_info": m{"image_root": "data/raw"}, "images": []any{
			m{"id": 7, "file_name": "0.jpg", "annotations": []any{box(1, 3, 3, 10, 10)}}, m{"id": 8, "file_name": "1.jpg", "annotations": []any{box(1, 3, 3, 10, 10)}}}},
		"data/raw/0.jpg": jpegOf(32, 32), "data/raw/1.jpg": other(32, 32), "elsewhere/2.jpg": other(40, 40),
	})
	got := listing(t, prepare(t, request(t, root, contract.TaskObjectDetection, contract.FormatYOLO)).Dir)
	if !strings.Contains(got["renamed.json"], `"data/raw/0.jpg": "0.jpg"`) {
		t.Errorf("%s in %v", got["renamed.json"], slices.Sorted(maps.Keys(got)))
	}
}

func TestFormatsThatMakeNoSenseAreRefusedWithASentence(t *testing.T) {
	for _, c := range []struct {
		task   contract.TaskType
		format contract.DatasetFormat
	}{
		{contract.TaskObjectDetection, contract.FormatImageFolder},
		{contract.TaskPoseEstimation, contract.FormatImageFolder},
		{contract.TaskImageClassification, contract.FormatCOCO},
		{contract.TaskSemanticSegmentation, contract.FormatYOLO},
		{contract.TaskObjectDetection, "voc"},
		{contract.TaskObjectDetection, contract.FormatAuto},
	} {
		_, err := converters.Prepare(t.Context(), request(t, t.TempDir(), c.task, c.format))
		f := contract.AsFailure(err)
		if f == nil || f.Code != contract.CodeConfigInvalid || !strings.HasSuffix(f.Message, ".") || f.Hint == "" {
			t.Errorf("%s as %s: %v", c.task, c.format, err)
		}
	}
}
