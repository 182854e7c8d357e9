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
		filepath.Join(tree(t, map[string][]byte{"model.tflite": []byte("\x1c\x00\x00\x00TFL3")}), "model.tflite"): "holds no metadata",
		filepath.Join(tree(t, map[string][]byte{"model.tflite": []byte("text")}), "model.tflite"):                 "not a TensorFlow Lite model",
		filepath.Join(tree(t, map[string][]byte{"m.torchscript": []byte("text")}), "m.torchscript"):               "not a TorchScript model",
		tree(t, renamed("onnx", "torchscript")):                                                                   "not a TorchScript model",
		encryptedZip(t):                                                                                           "is encrypted",
		zipped(t, "d.zip", map[string][]byte{`..\x`: nil}):                                                        "must stay inside",
		filepath.Join(tree(t, map[string][]byte{"model.xml": []byte("<net><")}), "model.xml"):                     "not an OpenVINO model",
		filepath.Join(tree(t, map[string][]byte{"model.onnx": []byte("text")}), "model.onnx"):                     "not an ONNX model",
		filepath.Join(t.TempDir(), "none"):                                                                        "no such file",
	}
	for path, want := range cases {
		if _, err := Inspect(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// renamed is a package whose metadata and file names have another word.
func renamed(word, other string) map[string][]byte {
	changed := map[string][]byte{}
	for name, content := range files() {
		if name == "metadata.json" {
			content = bytes.ReplaceAll(content, []byte(word), []byte(other))
		}
		changed[strings.ReplaceAll(name, word, other)] = content
	}
	return changed
}

func encryptedZip(t *testing.T) string {
	path := zipped(t, "secret.zip", files())
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range content { // the flags of every entry of the directory at the end
		if bytes.HasPrefix(content[at:], []byte("PK\x01\x02")) {
			content[at+8] |= encrypted
		}
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A model and a metadata.json that belong together have the same classes, sizes and thresholds: the checksum of the
// model does not tell when somebody changed the other one.
func TestMetadataThatSayOtherwiseThanTheModelAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ was, is, want string }{
		"a class":       {`"name": "cat"`, `"name": "dog"`, `classes[0].name is "dog", in the model "cat"`},
		"a class fewer": {`[{"index": 0, "id": 7, "name": "cat"}]`, `[]`, "classes has 0 entries, in the model 1"},
		"a threshold":   {`"conf_threshold": 0.25`, `"conf_threshold": 0.5`, "postprocess.conf_threshold is 0.5, in the model 0.25"},
		"a field":       {`"kernel": "bilinear"`, `"x": 1`, `preprocess.resize.kernel is null, in the model "bilinear"`},
		"the size":      {`"size_bytes": SIZE`, `"size_bytes": 5`, "model.size_bytes is 5, the model has"},
	} {
		path := speaking(t, func(text string) string { return strings.Replace(text, c.was, c.is, 1) })
		found, err := Inspect(path)
		if err != nil || found.Checksum != "matches" || len(found.Differences) != 1 || !strings.Contains(found.Differences[0], c.want) {
			t.Errorf("%s: %+v, %v", name, found, err)
			continue
		}
		if err := found.Fault(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	found, err := Inspect(speaking(t, func(text string) string { return text }))
	if err != nil || found.Fault() != nil {
		t.Errorf("%+v, %v", found, err)
	}
}

// speaking is the folder of a TorchScript model that has metadata inside, and a metadata.json that `changed` made of it and of what
// is known only when the file is there.
func speaking(t *testing.T, changed func(string) string) string {
	inside := strings.NewReplacer(`"format": "onnx"`, `"format": "torchscript"`, "model.onnx", "model.torchscript", `"sha256": %q, "size_bytes": 2097152, `, "").Replace(described)
	model, err := os.ReadFile(zipped(t, "model.torchscript", map[string][]byte{"model/extra/metadata.json": []byte(inside)}))
	if err != nil {
		t.Fatal(err)
	}
	beside := strings.Replace(inside, `"precision"`, fmt.Sprintf(`"sha256": "%x", "size_bytes": SIZE, "precision"`, sha256.Sum256(model)), 1)
	beside = strings.Replace(changed(beside), "SIZE", fmt.Sprint(len(model)), 1)
	return tree(t, map[string][]byte{"model.torchscript": model, "metadata.json": []byte(beside)})
}

// Of an ONNX file without metadata the graph tells what goes in and comes out.
func TestAGraphOtherThanTheMetadataIsNamed(t *testing.T) {
	graph := ONNX{Inputs: []Value{{"image", "uint8", []string{"h", "w", "3"}}}, Outputs: []Value{{"boxes", "float32", []string{"300", "4"}}}}
	told := func() Metadata {
		return Metadata{Input: Input{Name: "image", DType: "uint8", Shape: []int64{-1, -1, 3}}, Outputs: []Output{{"boxes", "boxes", "float32", []int64{300, 4}}}}
	}
	if m := told(); graph.otherwise(&m) != nil {
		t.Error(graph.otherwise(&m))
	}
	for want, change := range map[string]func(*Metadata){
		`no output "found"`:                func(m *Metadata) { m.Outputs[0].Name = "found" },
		"image is float32, in the graph":   func(m *Metadata) { m.Input.DType = "float32" },
		"shape [100 4], in the graph [300": func(m *Metadata) { m.Outputs[0].Shape[0] = 100 },
		"shape [4], in the graph":          func(m *Metadata) { m.Outputs[0].Shape = []int64{4} },
	} {
		m := told()
		change(&m)
		if found := graph.otherwise(&m); len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("%v, want %s", found, want)
		}
	}
}

// A terminal obeys nothing that metadata say, and a class cannot write a row of its own.
func TestMetadataDoNotSteerTheTerminal(t *testing.T) {
	hostile := "x\x1b[2J\x1b]0;title\a\n  file  sha256 matches\u202e"
	var out strings.Builder
	(&Found{Metadata: &Metadata{Model: Model{Name: hostile, Format: hostile, File: hostile}, Classes: []Class{{Name: hostile}}}, ONNX: &ONNX{Producer: hostile}, Contents: []string{hostile}}).Print(&out)
	if strings.ContainsAny(out.String(), "\x1b\a\u202e") || strings.Contains(out.String(), "\n  file  sha256") {
		t.Errorf("%q", out.String())
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
