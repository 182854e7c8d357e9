package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
)

func TestAFileIsWholeAndEveryCutOfItIsNot(t *testing.T) {
	for name, body := range map[string][]byte{
		"torch.pt":          samples.Torch(t, 3000, 1, samples.UltralyticsPickle(1)),
		"large.pt":          samples.Zip64Torch(t),
		"model.safetensors": samples.Safetensors(t, 3000, 2),
		"model.onnx":        samples.ONNX(3000),
		"v0.h5":             samples.HDF5(0, 3000),
		"v1.h5":             samples.HDF5(1, 3000),
		"v2.h5":             samples.HDF5(2, 3000),
		"images.json":       []byte(`{"images": [{"id": 1}, {"id": 2}` + "\n]}"),
	} {
		if got := Inspect(bytes.NewReader(body), int64(len(body)), name); got != Whole {
			t.Errorf("%s: %v, want whole", name, got)
		}
		for n := range len(body) - 1 {
			if got := Inspect(bytes.NewReader(body[:n]), int64(n), name); got == Whole {
				t.Errorf("%s cut to %d of %d bytes passes as whole", name, n, len(body))
				break
			}
		}
	}
}

func TestAFileWithoutAnEndMarkIsNeitherWholeNorCut(t *testing.T) {
	for name, body := range map[string][]byte{
		"legacy.pt": []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), // torch before 1.6
		"a.engine":  samples.Noise(5000, 1),
	} {
		if got := Inspect(bytes.NewReader(body), int64(len(body)), name); got != Endless {
			t.Errorf("%s: %v, want endless", name, got)
		}
	}
	for name, body := range map[string][]byte{"empty.bin": {}, "sparse.bin": make([]byte, 5000), "sized.safetensors": make([]byte, 5000)} {
		if got := Inspect(bytes.NewReader(body), int64(len(body)), name); got != Cut {
			t.Errorf("%s: %v, want cut", name, got)
		}
	}
}

func TestTheEpochInsideATorchFile(t *testing.T) {
	timm := func(epoch byte) []byte {
		b := append([]byte("\x80\x02}q\x00("), samples.UnicodeKey("epoch")...)
		b = append(b, 'q', 1, 'K', epoch)
		for _, key := range []string{"arch", "optimizer", "version", "state_dict"} {
			b = append(append(b, samples.UnicodeKey(key)...), 'N')
		}
		return append(b, 'u', '.')
	}
	lightning := append(append([]byte("\x80\x02}q\x00("), samples.UnicodeKey("epoch")...), 'q', 1, 'K', 7)
	lightning = append(append(lightning, samples.UnicodeKey("pytorch-lightning_version")...), 'N', 'u', '.')
	own := append(append([]byte("\x80\x02}q\x00("), samples.UnicodeKey("epoch")...), 'K', 4, 'u', '.')
	for name, tc := range map[string]struct {
		pickle []byte
		want   int
	}{
		"Ultralytics counts from 0":          {samples.UltralyticsPickle(0), 1},
		"a long training":                    {samples.UltralyticsPickle(299), 300},
		"Ultralytics without its optimiser":  {samples.UltralyticsPickle(-1), Stripped},
		"timm counts from 0":                 {timm(4), 5},
		"Lightning counts from 0":            {lightning, 8},
		"a script's own epoch has any base":  {own, 0},
		"a script that says how many":        {append(append([]byte("\x80\x02}q\x00("), samples.UnicodeKey("completed_epochs")...), 'K', 4, 'u', '.'), 4},
		"no pickle":                          {nil, 0},
		"a pickle that ends behind the key":  {append([]byte("\x80\x02}("), samples.UnicodeKey("epoch")...), 0},
		"a memo without anything after that": {append(append([]byte("\x80\x02}("), samples.UnicodeKey("epoch")...), 'q'), 0},
	} {
		body := samples.Torch(t, 100, 1, tc.pickle)
		if got := EpochInside(bytes.NewReader(body), int64(len(body))); got != tc.want {
			t.Errorf("%s: epoch %d, want %d", name, got, tc.want)
		}
	}
}

func TestADetectorOfRotatedBoxesIsKnownByItsClass(t *testing.T) {
	for pickle, want := range map[string]bool{
		"\x80\x02}q\x00cultralytics.nn.tasks\nOBBModel\nq\x01.":       true,
		"\x80\x02}q\x00cultralytics.nn.tasks\nDetectionModel\nq\x01.": false,
		"\x80\x02}q\x00X\x08\x00\x00\x00OBBModelq\x01.":               false, // a word
	} {
		body := samples.Torch(t, 100, 1, []byte(pickle))
		if got := HasRotatedBoxes(bytes.NewReader(body), int64(len(body))); got != want {
			t.Errorf("%q: %v", pickle, got)
		}
	}
	if HasRotatedBoxes(bytes.NewReader([]byte("no archive")), 10) {
		t.Error("what is no archive has rotated boxes")
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("PK\x03\x04"), "a.pt")
	f.Add(samples.Safetensors(f, 50, 1), "a.safetensors")
	f.Add(samples.ONNX(50), "a.onnx")
	f.Add(samples.HDF5(0, 100), "a.h5")
	f.Add(samples.Torch(f, 50, 1, samples.UltralyticsPickle(3)), "a.pt")
	f.Add([]byte(`[1, 2]`), "a.json")
	f.Add([]byte("\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N."), "a.ckpt")
	f.Add([]byte("\x80\x02}q\x00U\x01aK\x01s."), "a.ckpt")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		r, size := bytes.NewReader(body), int64(len(body))
		if got := Inspect(r, size, name); size == 0 && got != Cut {
			t.Errorf("an empty file is %v", got)
		}
		if n := EpochInside(r, size); n < Stripped || n > 1_000_001 {
			t.Errorf("epoch %d", n)
		}
		if HasRotatedBoxes(r, size) && !bytes.Contains(body, []byte("OBBModel")) {
			t.Error("rotated boxes from nothing")
		}
	})
}

func (w Wholeness) String() string {
	return fmt.Sprint([]string{"endless", "cut", "whole"}[w])
}

// A directory of a million entries says that it has one: archive/zip takes all of
// them into memory to find out.
func TestAnArchiveThatLiesAboutItsDirectoryCostsNoMemory(t *testing.T) {
	entry := make([]byte, 46+8)
	copy(entry, "PK\x01\x02")
	binary.LittleEndian.PutUint16(entry[28:], 8)
	copy(entry[46:], "archive/")
	const entries = 1 << 20
	body := append([]byte("PK\x03\x04"), bytes.Repeat(entry, entries)...)
	eocd := make([]byte, 22)
	copy(eocd, "PK\x05\x06")
	binary.LittleEndian.PutUint16(eocd[10:], 1)
	binary.LittleEndian.PutUint32(eocd[12:], uint32(len(entry)*entries))
	binary.LittleEndian.PutUint32(eocd[16:], 4)
	body = append(body, eocd...)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := EpochInside(bytes.NewReader(body), int64(len(body))); got != 0 {
		t.Errorf("epoch %d", got)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("looking for the epoch took %d MB of memory", n>>20)
	}
}

// The same of a header of a safetensors file.
func TestAHeaderOfATensorFileCostsNoMemory(t *testing.T) {
	const n = 90 << 20
	body := binary.LittleEndian.AppendUint64(nil, n)
	body = append(body, bytes.Repeat([]byte{'['}, n)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	Inspect(bytes.NewReader(body), int64(len(body)), "a.safetensors")
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d MB of memory", got>>20)
	}
}
