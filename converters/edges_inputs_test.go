package converters_test

import (
	"bytes"
	"image/gif"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/vision-platform/trainer-agent/converters"
)

// named is a detection dataset of files with a good box each, beside two plain
// images. Width and height are left to the files' headers.
func named(files m) func(t *testing.T) string {
	return func(t *testing.T) string {
		all, images := m{"images/plain1.jpg": jpegOf(64, 48), "images/plain2.jpg": jpegOf(64, 48)}, []any{}
		names := []string{"plain1.jpg", "plain2.jpg"}
		for name, content := range files {
			if content != nil {
				all["images/"+name] = content
			}
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			images = append(images, m{"id": "id " + name, "file_name": name, "annotations": []any{good()}})
		}
		all["annotations.json"] = m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": images}
		return folder(t, all)
	}
}

func gifOf(w, h int) []byte {
	var out bytes.Buffer
	_ = gif.Encode(&out, picture(w, h), nil)
	return out.Bytes()
}

func bmpOf(w, h int) []byte {
	var out bytes.Buffer
	_ = bmp.Encode(&out, picture(w, h))
	return out.Bytes()
}

func tiffOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := tiff.Encode(&out, picture(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// turnedTIFF has orientation 6: tag 274 in front of 277, in place of 296.
func turnedTIFF(t *testing.T, w, h int) []byte {
	content := tiffOf(t, w, h)
	at := bytes.LastIndex(content, []byte("\x15\x01\x03\x00"))
	last := bytes.LastIndex(content, []byte("\x28\x01\x03\x00"))
	copy(content[at+12:last+12], bytes.Clone(content[at:last]))
	copy(content[at:], "\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00")
	return content
}

// images are the image files of a prepared folder below their split.
func images(t testing.TB, p *converters.Prepared) []string {
	t.Helper()
	var out []string
	for name := range listing(t, p.Dir) {
		if rest, ok := strings.CutPrefix(name, "images/"); ok {
			out = append(out, rest[strings.IndexByte(rest, '/')+1:])
		}
	}
	slices.Sort(out)
	return out
}

func has(names ...string) func(t *testing.T, p *converters.Prepared) {
	return func(t *testing.T, p *converters.Prepared) {
		t.Helper()
		want := append([]string{"plain1.jpg", "plain2.jpg"}, names...)
		slices.Sort(want)
		if got := images(t, p); !reflect.DeepEqual(got, want) {
			t.Errorf("images %q, want %q", got, want)
		}
	}
}

// sized is a dataset whose image 0 is content, said to be w × h.
func sized(content []byte, w, h any, b ...float64) func(t *testing.T) string {
	return func(t *testing.T) string {
		return folder(t, m{"images/0.jpg": content, "images/1.jpg": jpegOf(64, 48), "images/2.jpg": jpegOf(64, 48),
			"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{
				m{"id": 0, "file_name": "0.jpg", "width": w, "height": h, "annotations": []any{box(1, b...)}},
				m{"id": 1, "file_name": "1.jpg", "annotations": []any{good()}},
				m{"id": 2, "file_name": "2.jpg", "annotations": []any{good()}}}}})
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}
