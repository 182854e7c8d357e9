package unpack

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// The files of testdata are written by testdata/write.py with the library itself.

func unpackInto(t *testing.T, name string, task contract.TaskType) (dir string, err error) {
	t.Helper()
	tree, err := images.ReadTree(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	source, err := Find(tree)
	if err != nil || source == nil {
		t.Fatalf("%s is not recognised: %v", name, err)
	}
	dir = filepath.Join(t.TempDir(), "out")
	return dir, source.Into(context.Background(), task, dir)
}

type document struct {
	Classes []class `json:"classes"`
	Images  []image `json:"images"`
}

func readDocument(t *testing.T, dir string) (d document) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "annotations.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func split(i image) string {
	if i.Split == nil {
		return "null"
	}
	return *i.Split
}

func TestBothFormsSayTheSame(t *testing.T) {
	for _, name := range []string{"parquet", "saved"} {
		t.Run(name, func(t *testing.T) {
			dir, err := unpackInto(t, name, contract.TaskImageClassification)
			if err != nil {
				t.Fatal(err)
			}
			d := readDocument(t, dir)
			var classes, labels, splits []string
			for _, c := range d.Classes {
				classes = append(classes, c.Name)
			}
			for _, i := range d.Images {
				labels = append(labels, d.Classes[i.Annotation.Class].Name)
				splits = append(splits, split(i))
				content, err := os.ReadFile(filepath.Join(dir, "images", i.File))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := png.Decode(bytes.NewReader(content)); err != nil {
					t.Errorf("%s: %v", i.File, err)
				}
			}
			slices.Sort(splits)
			if strings.Join(classes, " ") != "cat dog" || len(labels) != 6 || slices.Index(labels, "dog") < 0 {
				t.Errorf("classes %v, labels %v", classes, labels)
			}
			if got := strings.Join(splits, " "); got != "null null null null test test" {
				t.Errorf("splits %s", got) // no validation: train is shared out
			}
		})
	}
}

func TestObjectsKeepTheirBoxesAndClasses(t *testing.T) {
	for _, name := range []string{"parquet", "saved"} {
		dir, err := unpackInto(t, name, contract.TaskObjectDetection)
		if err != nil {
			t.Fatal(err)
		}
		d := readDocument(t, dir)
		counts := make([]int, 0, len(d.Images))
		var boxes [][]float64
		for _, i := range d.Images {
			counts = append(counts, len(i.Annotations))
			for _, o := range i.Annotations {
				boxes = append(boxes, o.Box)
				if o.Class != 1 {
					t.Errorf("%s: class %d", name, o.Class)
				}
			}
		}
		slices.Sort(counts)
		if !slices.Equal(counts, []int{0, 0, 0, 1, 1, 2}) || !slices.Equal(boxes[0], []float64{1, 2, 3, 4}) {
			t.Errorf("%s: %v %v", name, counts, boxes)
		}
	}
}

func TestMasksLieBesideTheirImages(t *testing.T) {
	dir, err := unpackInto(t, "parquet", contract.TaskSemanticSegmentation)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"images/train/0000003.png", "masks/train/0000003.png"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatATableLacksIsSaidWithWhatItHas(t *testing.T) {
	_, err := unpackInto(t, "saved", contract.TaskPoseEstimation)
	f := contract.AsFailure(err)
	if f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message, "columns image, label, mask, objects") {
		t.Errorf("%v", err)
	}
}

func TestABrokenTableIsNamed(t *testing.T) {
	content, err := os.ReadFile("testdata/saved/train/data-00000-of-00001.arrow")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for name, text := range map[string][]byte{"state.json": []byte(`{"_data_files":[{"filename":"data-00000-of-00001.arrow"}]}`), "data-00000-of-00001.arrow": content[:len(content)*2/3]} {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := images.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	source, err := Find(tree)
	if err != nil || source == nil {
		t.Fatal(source, err)
	}
	err = source.Into(context.Background(), contract.TaskImageClassification, filepath.Join(t.TempDir(), "out"))
	if f := contract.AsFailure(err); f == nil || !strings.Contains(f.Message, "data-00000-of-00001.arrow cannot be read") {
		t.Errorf("%v", err)
	}
}

func FuzzTables(f *testing.F) {
	for _, name := range []string{"parquet/data/test-00000-of-00001.parquet", "saved/test/data-00000-of-00001.arrow"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, strings.HasSuffix(name, ".arrow"))
	}
	f.Fuzz(func(t *testing.T, content []byte, arrow bool) {
		file := filepath.Join(t.TempDir(), "table")
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		s := shard{path: file, arrow: arrow}
		columns, err := s.columns()
		if err != nil || columns.images() == nil {
			return
		}
		for _, task := range []contract.TaskType{contract.TaskImageClassification, contract.TaskObjectDetection, contract.TaskSemanticSegmentation} {
			_ = (&Source{shards: []shard{s}}).Into(context.Background(), task, filepath.Join(t.TempDir(), "out"))
		}
	})
}
