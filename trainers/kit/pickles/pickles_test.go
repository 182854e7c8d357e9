package pickles

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// attacks are pickles that run something, in the spellings by which denylists and
// scanners that read only part of the opcodes were passed.
var attacks = map[string]string{
	"protocol 0":                 "cos\nsystem\n(S'id'\ntR.",
	"protocol 2":                 "\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.",
	"STACK_GLOBAL":               "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
	"name from the memo":         "\x80\x04\x8c\x02os\x94\x8c\x06system\x94000h\x00h\x01\x93\x8c\x02id\x85R.",
	"INST":                       "(S'id'\nios\nsystem\n.",
	"OBJ":                        "(cos\nsystem\nS'id'\no.",
	"NEWOBJ":                     "\x80\x02csubprocess\nPopen\nX\x02\x00\x00\x00id\x85\x81.",
	"not on any denylist":        "\x80\x02ctimeit\nmain\n]\x85R.",
	"attribute of a good module": "\x80\x04\x8c\x05numpy\x8c\x11testing.runstring\x93)R.",
	"broken behind the call":     "cos\nsystem\n(S'id'\ntR\xff",
	"no STOP":                    "\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R",
	"second pickle":              "\x80\x02].\x80\x02cos\nsystem\n)R.",
	"second of an old protocol":  "\x80\x02].cos\nsystem\n(tR.",
	"built by a good name":       "\x80\x02cbuiltins\ngetattr\n(ctorch\nload\nX\x01\x00\x00\x00xtR.",
	"computed name":              "\x80\x04]\x8c\x06system\x93)R.",
	"extension registry":         "\x80\x02\x82\x01)R.",
	"loaded, not called":         "\x80\x02cos\nsystem\n.",
}

func scan(name, body string) []string {
	var rules []string
	for _, f := range Scan(strings.NewReader(body), int64(len(body)), name, nil) {
		rules = append(rules, f.Rule)
	}
	return rules
}

func TestEveryPickleWithCodeIsRefused(t *testing.T) {
	for name, body := range attacks {
		if got := scan("weights.pkl", body); len(got) == 0 {
			t.Errorf("%s: nothing is said of a .pkl", name)
		}
		if got := scan("archive.npz", zipped(t, "x/data.pkl", body)); len(got) == 0 {
			t.Errorf("%s: nothing is said of a zip", name)
		}
		if got := scan("notes.txt", body); len(got) == 0 && !strings.HasPrefix(name, "computed") && !strings.HasPrefix(name, "extension") {
			t.Errorf("%s: nothing is said under another name", name)
		}
	}
}

func TestOfUltralyticsOnlyPartsOfModelsAreTaken(t *testing.T) {
	for name, taken := range map[string]bool{
		"ultralytics.nn.tasks\nDetectionModel": true, "torch.nn.modules.conv\nConv2d": true, "ultralytics.nn.modules.block\nC3k2": true, "builtins\ngetattr": true,
		"torchvision.transforms.transforms\nCompose": true, "ultralytics.nn.tasks\ntorch_safe_load": false, "ultralytics.utils.checks\nCheck": false, "os\nSystem": false,
		"ultralytics.nn.tasks\nPath.unlink": false, "models.yolo\nModel": false,
	} {
		body := "\x80\x02c" + name + "\n)R."
		if found := Scan(strings.NewReader(body), int64(len(body)), "a.pt", Ultralytics); len(found) == 0 != taken {
			t.Errorf("%q: %v", name, found)
		}
	}
}

func TestATrainingsArgumentsAreTakenWhereTheLoaderTakesThem(t *testing.T) {
	body := "\x80\x02cargparse\nNamespace\n)\x81."
	for name, also := range map[string]Names{"pickle.code": nil, "": Arguments} {
		found := Scan(strings.NewReader(body), int64(len(body)), "a.pt", also)
		if len(found) == 0 && name != "" || len(found) > 0 && found[0].Rule != name {
			t.Errorf("%q: %v", name, found)
		}
	}
}

func TestWeightsAreNotRefused(t *testing.T) {
	tensor := "\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00wq\x02ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04" +
		"ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07K\x06tq\x08QK\x00K\x02K\x03\x86q\tK\x03K\x01\x86q\n\x89h\x00)Rq\x0btq\x0cRq\rs."
	for name, body := range map[string]string{
		"a.pkl": "\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.", "empty.pkl": "", "b.pt": zipped(t, "b/data.pkl", tensor),
		"train.py": "import os\nos.system('x')\n", "c.txt": "cos\nsystem\nnot a pickle\n", "i.txt": "import numpy\n.\n", "x.bin": "\x00\x01\x02", "fp8.pt": zipped(t, "b/data.pkl", strings.ReplaceAll(tensor, "_v2", "_v3")), "quantized.pt": zipped(t, "b/data.pkl", strings.ReplaceAll(tensor, "FloatStorage", "QUInt8Storage")), "old.pth": tensor + tensor + "\x80\x00\x00\x00raw floats",
		"n.npy": "\x93NUMPY\x01\x00\x10\x00{'descr':'<f4' }cos\nsystem\n)R.",
	} {
		if got := scan(name, body); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatCannotBeReadIsRefusedWhereItIsLoadedAsAPickle(t *testing.T) {
	for name, body := range map[string]string{
		"a.pkl": "hello", "b.joblib": "\x78\x9cxxxx", "c.pt": "\x1f\x8bxxxx", "d.pt": "PK\x03\x04torn", "e.pkl": "\x80\x02X\xff\xff\xff\xffshort", "f.pickle": "\x80\x07.",
		"g.npy": "\x93NUMPY\x01\x00\x10\x00{'descr': '|O' }cos\nsystem\n(tR.", "h.pt": zipped(t, "inner.zip", zipped(t, "data.pkl", "].")), "i.npy": "\x93NUM",
	} {
		want := name != "i.npy"
		if got := scan(name, body); (len(got) > 0) != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func zipped(t *testing.T, name, body string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write([]byte(body))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A small zip of large members would hold a scan for hours.
func TestAZipIsReadInProportionToItsSize(t *testing.T) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	long := append([]byte("T\xff\xff\xff\x0f"), make([]byte, 16<<20)...) // a string as long as the member
	for range 5 {
		f, err := w.Create("data")
		if err == nil {
			_, err = f.Write(long)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	found := Scan(bytes.NewReader(out.Bytes()), int64(out.Len()), "w.npz", nil)
	if len(found) != 1 || !strings.Contains(found[0].Text, "far more than its size") {
		t.Errorf("%+v", found)
	}
}

// No bytes make the walk panic, run long or call a disallowed name harmless: with the
// call of one before it, every pickle is refused.
func FuzzWalk(f *testing.F) {
	for _, body := range attacks {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		report, err := Walk(bufio.NewReader(bytes.NewReader(body)), nil)
		if err != nil && len(body) == 0 != errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
		if report.Calls && len(report.Refused) == 0 {
			t.Error("a call without a name")
		}
		name := []byte("\x80\x02cos\nsystem\n)R0")
		if found := Scan(bytes.NewReader(append(name, body...)), int64(len(name)+len(body)), "x.pkl", nil); len(found) == 0 {
			t.Error("a call is called harmless")
		}
		frame := binary.LittleEndian.AppendUint64([]byte{0x80, 4, 0x95}, uint64(len(body)))
		_ = Scan(bytes.NewReader(append(frame, body...)), int64(len(frame)+len(body)), "y.pt", nil)
	})
}
