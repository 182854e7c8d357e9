package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// draw runs testdata/make_shapes.py and returns the folder and the archive.
func draw(t *testing.T, task contract.TaskType) (folder string, archive []byte) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "shapes")
	pack := folder + ".zip"
	script := filepath.Join("..", "..", "testdata", "make_shapes.py")
	out, err := exec.CommandContext(t.Context(), need.Python(t), script, "--task", string(task), "--out", folder, "--images", "60", "--size", "96", "--zip", pack).CombinedOutput()
	if err != nil {
		t.Fatalf("make_shapes.py: %v\n%s", err, out)
	}
	archive, err = os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	return folder, archive
}

func TestTheConvertersTakeTheShapesWithoutAWord(t *testing.T) {
	for task, format := range map[contract.TaskType]contract.DatasetFormat{
		contract.TaskObjectDetection: contract.FormatYOLO, contract.TaskInstanceSegmentation: contract.FormatYOLO,
		contract.TaskPoseEstimation: contract.FormatYOLO, contract.TaskImageClassification: contract.FormatImageFolder,
	} {
		folder, _ := draw(t, task)
		split := contract.SplitStrategy{Method: contract.SplitAuto, Stratify: task == contract.TaskImageClassification}
		p, err := converters.Prepare(t.Context(), converters.Request{Root: folder, Task: task, Format: format, Split: &split, Out: filepath.Join(t.TempDir(), "out"), Strict: true})
		if err != nil {
			t.Errorf("%s: %v", task, err)
			continue
		}
		if len(p.Problems) > 0 || len(p.Classes.Classes) != 4 {
			t.Errorf("%s: got problems %+v, classes %+v", task, p.Problems, p.Classes.Classes)
		}
	}
}

func TestTheSameSeedDrawsTheSameBytes(t *testing.T) {
	_, first := draw(t, contract.TaskInstanceSegmentation)
	_, second := draw(t, contract.TaskInstanceSegmentation)
	if !bytes.Equal(first, second) {
		t.Error("two runs gave different archives")
	}
}
