package exported

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const described = `{"schema_version": 1, "model": {"name": "yolo11n", "framework": "ultralytics", "task": "detect", "file": "model.onnx", "format": "onnx", "sha256": %q, "size_bytes": 2097152, "precision": "float32"},
"classes": [{"index": 0, "id": 7, "name": "cat"}], "input": {"name": "image", "layout": "HWC", "dtype": "uint8", "shape": [-1, -1, 3], "color": "RGB"},
"preprocess": {"included": true, "resize": {"mode": "letterbox", "width": 640, "height": 640, "kernel": "bilinear"}}, "outputs": [{"name": "boxes", "kind": "boxes", "dtype": "float32", "shape": [300, 4]}],
"postprocess": {"included": true, "conf_threshold": 0.25, "iou_threshold": 0.7, "max_detections": 300, "box_space": "image"},
"parity": {"pixels": 0.002}, "provenance": {"job_id": "job-1", "checkpoint_sha256": "abc", "created_at": "2026-01-01T00:00:00Z", "verified_by": ["onnxruntime"]}}`

// files are a package's; its model is the small one of onnx_test.go.
func files() map[string][]byte {
	content := model(10)
	sum := sha256.Sum256(content)
	return map[string][]byte{
		"model.onnx": content, "metadata.json": fmt.Appendf(nil, described, hex.EncodeToString(sum[:])), "golden/image.png": []byte("png"), "runtimes/python/example.py": []byte("import sys; print(sys.argv[1:]); sys.exit(0)"),
	}
}

func tree(t *testing.T, files map[string][]byte) string {
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func zipped(t *testing.T, name string, files map[string][]byte) string {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for name, content := range files {
		w, err := archive.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPackageSaysWhatItIs(t *testing.T) {
	for _, path := range []string{tree(t, files()), zipped(t, "package.zip", files())} {
		found, err := Inspect(path)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		found.Print(&out)
		for _, want := range []string{
			"yolo11n (ultralytics), detect in onnx, 1 classes", "sha256 matches", "HWC uint8 [-1 -1 3] RGB; letterbox to 640 x 640, bilinear: done by the model",
			"confidence over 0.25, suppressed over IoU 0.7", "0 cat", "pixels 0.002", "job job-1", "opset 18", "graph input", "runtimes/python/ (1)",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", path, want, out.String())
			}
		}
	}
}

// A number that nothing was measured for is not printed, and what is not proven is said.
func TestWhatIsNotProvenIsSaid(t *testing.T) {
	for name, c := range map[string]struct{ task, parity, says, lacks string }{
		"compared":          {"detect", `{"objects": 3, "pixels": 0.5, "probability": null, "note": null}`, "objects 3, pixels 0.5\n", "not proven"},
		"candidates":        {"detect", `{"objects": 0, "candidates": 800, "pixels": 0.5, "note": "no object was found"}`, "not proven  no object was found\n", "note"},
		"nothing":           {"pose", `{"objects": 0, "pixels": null, "note": "nothing is proven"}`, "not proven  nothing is proven\n", "pixels"},
		"of an older agent": {"segment", `{"objects": 0, "pixels": 0.0, "score": 0.0}`, "nothing is proven about boxes\n", "score 0"},
		"probabilities":     {"classify", `{"objects": 0, "pixels": 0.0, "probability": 0.001}`, "probability 0.001\n", "not proven"},
	} {
		m := &Metadata{Model: Model{Task: c.task}}
		if err := json.Unmarshal([]byte(c.parity), &m.Parity); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		(&Found{Metadata: m}).Print(&out)
		if !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), c.lacks) {
			t.Errorf("%s: %s", name, &out)
		}
	}
}

func TestWhoPreparesAnImage(t *testing.T) {
	for want, input := range map[string]Input{
		"done by the model":                          {Layout: "HWC", Shape: []int64{-1, -1, 3}},
		"resized by the caller, scaled by the model": {Layout: "NHWC", Shape: []int64{1, 96, 96, 3}},
	} {
		m := Metadata{Input: input, Preprocess: Preprocess{Included: true}}
		if got := m.prepared(); got != want {
			t.Errorf("%+v: %s, want %s", input, got, want)
		}
	}
	if got := new(Metadata).prepared(); got != "done by the caller" {
		t.Error(got)
	}
}

func TestAModelOfAnotherExportIsNamed(t *testing.T) {
	changed := files()
	changed["model.onnx"] = model(11)
	found, err := Inspect(tree(t, changed))
	if err != nil || found.Checksum != "differs" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAModelByItself(t *testing.T) {
	metadata := strings.Replace(string(files()["metadata.json"]), `"format": "onnx"`, `"format": "torchscript"`, 1)
	inside := map[string][]byte{"model/extra/metadata.json": []byte(metadata), "model/data.pkl": []byte("x")}
	xml := `<net><layers><layer metadata="no"/></layers><rt_info><metadata value="` + strings.ReplaceAll(metadata, `"`, "&quot;") + `"/></rt_info></net>`
	cases := map[string]string{
		"torchscript": zipped(t, "model.torchscript", inside), "openvino": filepath.Join(tree(t, map[string][]byte{"m/model.xml": []byte(xml)}), "m"),
	}
	for name, path := range cases {
		found, err := Inspect(path)
		if err != nil || found.Metadata.Model.Name != "yolo11n" || found.Source != "the model" {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	found, err := Inspect(filepath.Join(tree(t, files()), "model.onnx")) // its package around it knows more
	if err != nil || found.Source != "metadata.json" || found.Checksum != "matches" {
		t.Errorf("%+v, %v", found, err)
	}
	found, err = Inspect(filepath.Join(tree(t, map[string][]byte{"any.onnx": bytes.Replace(model(0), []byte("metadata"), []byte("metadatb"), 1)}), "any.onnx"))
	if err != nil || found.Metadata != nil || len(found.ONNX.Inputs) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	found.Print(&strings.Builder{})
}

func TestWhatIsNoPackageIsRefused(t *testing.T) {
	newer := files()
	newer["metadata.json"] = bytes.Replace(newer["metadata.json"], []byte(`"schema_version": 1`), []byte(`"schema_version": 9`), 1)
	gone := files()
	delete(gone, "model.onnx")
	gone["metadata.json"] = bytes.ReplaceAll(gone["metadata.json"], []byte("onnx"), []byte("tflite"))
	cases := map[string]string{
		tree(t, gone):         "holds no model.tflite, which its metadata.json describes",
		boasting(t, 1<<63, 2): "more than a package does",
		zipped(t, "a.zip", map[string][]byte{"x": nil}):                             "no metadata.json",
		zipped(t, "b.zip", map[string][]byte{"../x": nil, "metadata.json": nil}):    "must stay inside",
		filepath.Join(tree(t, map[string][]byte{"c.zip": []byte("text")}), "c.zip"): "no package of an exported model",
		tree(t, newer): "use a newer agent",
		filepath.Join(tree(t, map[string][]byte{"model.tflite": []byte("TFL3")}), "model.tflite"): "holds no metadata",
		filepath.Join(tree(t, map[string][]byte{"model.xml": []byte("<net><")}), "model.xml"):     "not an OpenVINO model",
		filepath.Join(tree(t, map[string][]byte{"model.onnx": []byte("text")}), "model.onnx"):     "not an ONNX model",
		filepath.Join(t.TempDir(), "none"): "no such file",
	}
	for path, want := range cases {
		if _, err := Inspect(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// boasting is a zip whose files claim a size each.
func boasting(t *testing.T, size uint64, count int) string {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for i := range count {
		if _, err := archive.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i), UncompressedSize64: size}); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "large.zip")
	if err := os.WriteFile(path, buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSelftestRunsThePackagesWrapper(t *testing.T) {
	failing := files()
	failing["runtimes/python/example.py"] = []byte("import sys; print('selftest FAILED'); sys.exit(1)")
	var out strings.Builder
	if err := Selftest(t.Context(), Wrapper{Path: zipped(t, "p.zip", files()), Python: "python3", Scratch: t.TempDir(), Out: &out}); err != nil || !strings.Contains(out.String(), "--selftest") {
		t.Errorf("%v: %s", err, out.String())
	}
	if err := Selftest(t.Context(), Wrapper{Path: tree(t, failing), Python: "python3", Scratch: t.TempDir(), Out: &out}); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Error(err)
	}
	if err := Selftest(t.Context(), Wrapper{Path: tree(t, map[string][]byte{"metadata.json": nil}), Python: "python3", Scratch: t.TempDir(), Out: &out}); err == nil || !strings.Contains(err.Error(), "no Python wrapper") {
		t.Error(err)
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add(files()["metadata.json"])
	f.Fuzz(func(_ *testing.T, content []byte) {
		if m, err := ParseMetadata(content); err == nil {
			(&Found{Metadata: m}).Print(&strings.Builder{})
		}
	})
}

func FuzzOpenVINOMetadata(f *testing.F) {
	f.Add([]byte(`<net><rt_info><metadata value="{}"/></rt_info></net>`))
	f.Fuzz(func(_ *testing.T, content []byte) {
		_, _ = openvinoMetadata(bytes.NewReader(content))
	})
}
