package converters_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/split"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder writes files: JSON values, bytes, or pictures.
func folder(t testing.TB, files map[string]any) string {
	t.Helper()
	root := t.TempDir()
	put(t, root, files)
	return root
}

func put(t testing.TB, root string, files map[string]any) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var text []byte
		switch v := content.(type) {
		case []byte:
			text = v
		case string:
			text = []byte(v)
		default:
			var err error
			if text, err = json.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func picture(w, h int) image.Image {
	im := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			im.Set(x, y, color.RGBA{uint8(x * 5), uint8(y * 5), uint8(x + y), 255})
		}
	}
	return im
}

func jpegOf(w, h int) []byte {
	var out bytes.Buffer
	_ = jpeg.Encode(&out, picture(w, h), nil)
	return out.Bytes()
}

// other is a picture of another content and the same size.
func other(w, h int) []byte {
	var out bytes.Buffer
	_ = jpeg.Encode(&out, picture(w, h), &jpeg.Options{Quality: 50})
	return out.Bytes()
}

func pngOf(w, h int) []byte { return encodePNG(picture(w, h)) }

func encodePNG(im image.Image) []byte {
	var out bytes.Buffer
	_ = png.Encode(&out, im)
	return out.Bytes()
}

// rotated is a JPEG of w × h stored pixels with an EXIF orientation.
func rotated(w, h, orientation int) []byte {
	plain := jpegOf(w, h)
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(rune(orientation)) + "\x00\x00\x00\x00\x00\x00"
	segment := append([]byte{0xff, 0xe1, byte((len(exif) + 2) >> 8), byte(len(exif) + 2)}, exif...)
	return append(append([]byte{0xff, 0xd8}, segment...), plain[2:]...)
}

type m = map[string]any

// dataset makes a Platform Format dataset of n 64×48 JPEGs named 0.jpg, 1.jpg, …
// with the annotations that of returns for each, and two classes.
func dataset(t testing.TB, n int, of func(i int) []any, extra m) string {
	t.Helper()
	images := []any{}
	files := m{}
	for i := range n {
		name := fmt.Sprintf("%d.jpg", i)
		files["images/"+name] = jpegOf(64, 48)
		images = append(images, m{"id": i, "file_name": name, "width": 64, "height": 48, "annotations": of(i)})
	}
	top := m{"classes": []any{m{"id": 1, "name": "cat"}, m{"id": 5, "name": "dog"}}, "images": images}
	for k, v := range extra {
		top[k] = v
	}
	files["annotations.json"] = top
	return folder(t, files)
}

func request(t testing.TB, root string, task contract.TaskType, format contract.DatasetFormat) converters.Request {
	return converters.Request{Root: root, Task: task, Format: format, Out: filepath.Join(t.TempDir(), "prepared")}
}

func prepare(t testing.TB, r converters.Request) *converters.Prepared {
	t.Helper()
	p, err := converters.Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// find returns a problem by its code.
func find(p *converters.Prepared, code string) problem.Problem {
	if p != nil {
		for _, found := range p.Problems {
			if found.Code == code {
				return found
			}
		}
	}
	return problem.Problem{}
}

func strategy(t testing.TB, text string) *contract.SplitStrategy {
	t.Helper()
	s, err := split.ParseStrategy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listing is every file below dir with its content, pictures by their hash.
func listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if bytes.HasPrefix(text, []byte("\xff\xd8")) || bytes.HasPrefix(text, []byte("\x89PNG")) {
			text = fmt.Appendf(nil, "%x", sha256.Sum256(text))
		}
		out[filepath.ToSlash(name)] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// labels are the label files of a YOLO folder, by path below labels/.
func labels(t testing.TB, p *converters.Prepared) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for name, text := range listing(t, p.Dir) {
		if rest, ok := strings.CutPrefix(name, "labels/"); ok {
			out[rest] = text
		}
	}
	return out
}
