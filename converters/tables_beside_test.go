package converters_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// TestTablesBesideAnotherDatasetAreNamed: which of the two is meant is not known, but
// where annotations.json declares one.
func TestTablesBesideAnotherDatasetAreNamed(t *testing.T) {
	table, err := os.ReadFile(filepath.Join("unpack", "testdata", "parquet", "data", "train-00000-of-00001.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	tables := m{"data/train.parquet": table}
	refused(t, join(tables, yoloSet("", goodRow, plainConfig)), contract.TaskObjectDetection, "2 ways", "huggingface (data/train.parquet) and yolo")
	refused(t, join(tables, classFolders(map[string]int{"train": 11, "val": 2}, "cat", "dog")), classifying, "2 ways", "huggingface", "imagefolder")
	few := maps.Clone(tables)
	few["assets/logo.jpg"], few["docs/shot.jpg"] = image64(), image64()
	p, err := converters.Prepare(t.Context(), request(t, folder(t, few), classifying, contract.FormatImageFolder))
	if p == nil || p.Source != "huggingface" { // whose pictures are too small to be used
		t.Errorf("%v", err)
	}
	declared := join(tables, m{"annotations.json": cocoOf(cats, "0.jpg", "1.jpg")}, numberedFiles("images/%d.jpg", 2, image64))
	check(t, published{task: detecting, files: declared, classes: "cat", splits: "train 1, val 1", says: "tables_beside: train.parquet"})
}
