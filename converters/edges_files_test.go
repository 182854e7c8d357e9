package converters_test

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

func TestEdgeCasesOfFiles(t *testing.T) {
	whole := jpegOf(64, 48)
	for _, e := range []edge{
		{name: "2 an image that is not on disk", root: named(m{"gone.jpg": nil}), problem: "missing_file", example: `"gone.jpg"`, check: has()},
		{name: "2 a name that differs in case only", root: func(t *testing.T) string {
			root := named(m{"gone.jpg": nil})(t)
			put(t, root, m{"images/Gone.JPG": jpegOf(64, 48)})
			return root
		}, problem: "other_spelling", example: `"gone.jpg" is "images/Gone.JPG"`, check: has("Gone.JPG")},
		{name: "2 no image on disk", root: func(t *testing.T) string {
			return folder(t, m{"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{m{"id": 1, "file_name": "a.jpg"}}}})
		}, refused: "all_files_missing"},
		{name: "3 a file that is not listed", root: func(t *testing.T) string {
			root := named(nil)(t)
			put(t, root, m{"images/extra.png": pngOf(20, 20), "images/notes.txt": "x"})
			return root
		}, problem: "unlisted_file", example: "extra.png", check: has()},
		{name: "10 no width and height", root: sized(whole, nil, 0, 16, 12, 32, 24), label: map[string]string{"0.txt": goodRow}},
		{name: "11 a wrong width and height", root: sized(whole, 640, 480, 16, 12, 32, 24), problem: "size_differs", example: "image 0 is 64x48, not 640x480", label: map[string]string{"0.txt": goodRow}},
		{name: "12 EXIF 6: the displayed frame", root: sized(rotated(48, 64, 6), 64, 48, 16, 12, 32, 24), problem: "exif_rotated", label: map[string]string{"0.txt": goodRow}},
		{name: "12 EXIF 8 with the stored size in the file", root: sized(rotated(48, 64, 8), 48, 64, 16, 12, 32, 24), problem: "size_differs", label: map[string]string{"0.txt": goodRow}},
		{name: "12 EXIF 5 is written upright", root: sized(rotated(48, 64, 5), 64, 48, 16, 12, 32, 24), problem: "orientation_baked", label: map[string]string{"0.txt": goodRow},
			check: func(t *testing.T, p *converters.Prepared) {
				if got := images(t, p); !slices.Contains(got, "0.png") {
					t.Errorf("images %q", got)
				}
			}},
		{name: "12 EXIF 6 is written upright for COCO, whose readers disagree on it", task: contract.TaskObjectDetection, format: contract.FormatCOCO,
			root: sized(rotated(48, 64, 6), 64, 48, 16, 12, 32, 24), problem: "orientation_baked", check: func(t *testing.T, p *converters.Prepared) {
				name := slices.IndexFunc(images(t, p), func(n string) bool { return n == "0.png" })
				all := listing(t, p.Dir)
				if both := all["annotations/instances_train.json"] + all["annotations/instances_val.json"]; name < 0 || !strings.Contains(both, `"file_name": "0.png", "width": 64, "height": 48`) {
					t.Errorf("%v: %s", images(t, p), both)
				}
			}},
		{name: "13 a JPEG with a trailer is copied", root: sized(append(slices.Clone(whole), "trailer"...), 64, 48, 16, 12, 32, 24), problem: "jpeg_without_end", label: map[string]string{"0.txt": goodRow},
			check: func(t *testing.T, p *converters.Prepared) {
				found := false
				for _, name := range []string{"train", "val"} {
					info, err := os.Lstat(filepath.Join(p.Dir, "images", name, "0.jpg"))
					if err == nil {
						found = true
						if n := links(info); n != 1 {
							t.Errorf("the file has %d links", n)
						}
					}
				}
				if !found {
					t.Error("0.jpg is missing")
				}
			}},
		{name: "21 one stem in two folders", root: named(m{"a/x.jpg": whole, "b/x.jpg": whole}), check: has("a/x.jpg", "b/x.jpg")},
		{name: "22 one stem, two suffixes", root: named(m{"x.jpg": whole, "x.png": pngOf(64, 48)}), check: has("x.jpg", "x__png.png"), label: map[string]string{"x.txt": goodRow, "x__png.txt": goodRow}},
		{name: "23 a file listed twice", root: func(t *testing.T) string {
			return folder(t, m{"images/a.jpg": whole, "annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{m{"id": 1, "file_name": "a.jpg"}, m{"id": 2, "file_name": "a.jpg"}}}})
		}, refused: "duplicate_file_name"},
		{name: "23 a file listed in two spellings", root: func(t *testing.T) string {
			return folder(t, m{"images/a.jpg": whole, "annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{m{"id": 1, "file_name": "a.jpg"}, m{"id": 2, "file_name": "./a.jpg"}}}})
		}, refused: "same_file"},
		{name: "24 upper-case suffixes stay", root: named(m{"a.JPG": whole, "b.JPEG": whole}), check: has("a.JPG", "b.JPEG")},
		{name: "24 a GIF is written as PNG", root: named(m{"a.gif": gifOf(64, 48)}), problem: "image_converted", check: has("a.png")},
		{name: "24 a GIF called .jpg", root: named(m{"a.jpg": gifOf(64, 48)}), problem: "image_converted", check: has("a.png")},
		{name: "24 a PNG called .jpg goes by its content", root: named(m{"a.jpg": pngOf(64, 48)}), check: has("a.png")},
		{name: "24 a JPEG without a suffix", root: named(m{"a": whole}), check: has("a.jpg")},
		{name: "24 BMP stays", root: named(m{"a.bmp": bmpOf(64, 48)}), check: has("a.bmp")},
		{name: "24 an SVG", root: named(m{"a.svg": "<svg/>"}), problem: "not_an_image", check: has()},
		{name: "25 odd but harmless names", root: named(m{"100%20.jpg": whole, "a#b.jpg": whole, "it's \"q\" [1].jpg": whole}), check: has("100%20.jpg", "a#b.jpg", "it's \"q\" [1].jpg")},
		{name: "25 separators of lines", root: named(m{"a\u2028b.jpg": whole, "new\nline.jpg": whole, `back\slash.jpg`: whole}), check: has("a_b.jpg", "new_line.jpg", "back_slash.jpg")},
		{name: "25 out of the dataset", root: named(m{"../../etc/passwd": nil}), refused: "unsafe_path", example: "../../etc/passwd"},
		{name: "25 absolute", root: named(m{"/etc/passwd": nil}), refused: "unsafe_path"},
		{name: "25 a drive", root: named(m{`C:\x.jpg`: nil}), refused: "unsafe_path"},
		{name: "25 an address whose file was not downloaded", root: named(m{"https://host/a.jpg": nil}), problem: "missing_file", example: "https://host/a.jpg", check: has()},
		{name: "25 backslashes out of the dataset", root: named(m{`..\..\x.jpg`: nil}), refused: "unsafe_path"},
		{name: "26 inner images, labels and hidden folders", root: named(m{"images/x.jpg": whole, "labels/x.jpg": whole, ".d/x.jpg": whole, ".x.jpg": whole}), check: has("images_/x.jpg", "labels_/x.jpg", "_.d/x.jpg", "_.x.jpg")},
		{name: "28 too small for Ultralytics", root: named(m{"s.jpg": jpegOf(9, 40)}), problem: "image_too_small", check: has()},
		{name: "28 a decompression bomb", root: named(m{"b.png": append(slices.Concat(pngOf(20, 20)[:16], []byte("\x00\x00\x50\x00\x00\x00\x50\x00")), pngOf(20, 20)[24:]...)}), problem: "image_too_large", example: `"b.png" is 20480x20480`, check: has()},
		{name: "28 zero bytes", root: named(m{"z.jpg": []byte{}}), problem: "broken_image", example: "0 bytes", check: has()},
		{name: "28 truncated JPEG", root: named(m{"t.jpg": jpegOf(200, 200)[:900]}), problem: "broken_image", check: has()},
		{name: "28 truncated PNG", root: named(m{"t.png": pngOf(200, 200)[:300]}), problem: "broken_image", check: has()},
		{name: "28 truncated BMP", root: named(m{"t.bmp": bmpOf(200, 200)[:900]}), problem: "broken_image", check: has()},
		{name: "28 truncated GIF, which would have been converted", root: named(m{"t.gif": gifOf(200, 200)[:900]}), problem: "broken_image", example: `"t.gif"`, check: has()},
		{name: "28 a GIF that no decoder takes", root: named(m{"t.gif": append(slices.Clip(gifOf(200, 200)[:900]), ';')}), problem: "broken_image", example: `"t.gif"`, check: has()},
		{name: "28 truncated TIFF", root: named(m{"t.tif": tiffOf(t, 200, 200)[:900]}), problem: "broken_image", check: has()},
		{name: "12 EXIF 6 outside of JPEG is written upright", root: named(m{"t.tif": turnedTIFF(t, 48, 64)}), problem: "orientation_baked", example: `"t.tif"`, check: has("t.png")},
		{name: "17 Unicode forms", root: func(t *testing.T) string {
			root := named(nil)(t) // annotations composed, disk decomposed
			put(t, root, m{"images/e\u0301.jpg": whole, "annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{
				m{"id": 1, "file_name": "\u00e9.jpg", "annotations": []any{good()}}, m{"id": 2, "file_name": "plain1.jpg", "annotations": []any{good()}}, m{"id": 3, "file_name": "plain2.jpg", "annotations": []any{good()}}}}})
			return root
		}, problem: "unicode_form", check: has("e\u0301.jpg"), label: map[string]string{"e\u0301.txt": goodRow}},
		{name: "43 a link out of the dataset", root: func(t *testing.T) string {
			outside := folder(t, m{"secret.jpg": whole})
			root := named(m{"s.jpg": nil})(t)
			link(t, filepath.Join(outside, "secret.jpg"), filepath.Join(root, "images", "s.jpg"))
			return root
		}, problem: "link_out_of_dataset", example: "images/s.jpg", check: has()},
		{name: "43 a loop of links", root: func(t *testing.T) string {
			root := named(m{"a.jpg": whole})(t)
			link(t, root, filepath.Join(root, "images", "loop"))
			link(t, "self.jpg", filepath.Join(root, "images", "self.jpg"))
			return root
		}, check: has("a.jpg")},
		{name: "43 a link to nothing", root: func(t *testing.T) string {
			root := named(m{"a.jpg": nil})(t)
			link(t, "../.git/annex/a.jpg", filepath.Join(root, "images", "a.jpg"))
			return root
		}, problem: "link_to_nothing", example: "images/a.jpg", check: has()},
		{name: "43 images is a link inside the dataset", root: func(t *testing.T) string {
			root := named(m{"a.jpg": whole})(t)
			if err := os.Rename(filepath.Join(root, "images"), filepath.Join(root, "data")); err != nil {
				t.Fatal(err)
			}
			link(t, "data", filepath.Join(root, "images"))
			return root
		}, check: has("a.jpg")},
		{name: "images/ in front of every name", root: func(t *testing.T) string {
			return folder(t, m{"images/a.jpg": whole, "images/b/c.jpg": whole, "annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{
				m{"id": 1, "file_name": "images/a.jpg", "annotations": []any{good()}}, m{"id": 2, "file_name": "images/b/c.jpg", "annotations": []any{good()}}}}})
		}, label: map[string]string{"a.txt": goodRow, "b/c.txt": goodRow}},
	} {
		t.Run(e.name, e.run)
	}
}

func TestEdge27AnOutputFolderThatReadersTakeForAPattern(t *testing.T) {
	r := request(t, dataset(t, 2, func(int) []any { return []any{good()} }, nil), contract.TaskObjectDetection, contract.FormatYOLO)
	r.Out = filepath.Join(t.TempDir(), "run [1]")
	_, err := converters.Prepare(t.Context(), r)
	if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Message, "[ ] * ?") {
		t.Errorf("error %v", err)
	}
}

func TestAFolderThatIsNotOursIsNeverReplaced(t *testing.T) {
	r := request(t, dataset(t, 2, func(int) []any { return []any{good()} }, nil), contract.TaskObjectDetection, contract.FormatYOLO)
	r.Out = folder(t, m{"thesis.tex": "years of work"})
	_, err := converters.Prepare(t.Context(), r)
	if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeConfigInvalid {
		t.Errorf("error %v", err)
	}
	if got := listing(t, r.Out); got["thesis.tex"] != "years of work" {
		t.Errorf("left %v", got)
	}
}

func TestEdge40AChangedLabelOfEqualSizeLeavesNoStaleCache(t *testing.T) {
	class := 1
	of := func(int) []any { return []any{box(class, 16, 12, 32, 24)} }
	r := request(t, dataset(t, 3, of, nil), contract.TaskObjectDetection, contract.FormatYOLO)
	p := prepare(t, r)
	put(t, p.Dir, m{"labels/train.cache": "stale"})
	class = 5
	r.Root = dataset(t, 3, of, nil)
	for name := range listing(t, prepare(t, r).Dir) {
		if strings.HasSuffix(name, ".cache") {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestEdge40AnInterruptedConversionLeavesNothing(t *testing.T) {
	r := request(t, dataset(t, 3, func(int) []any { return []any{good()} }, nil), contract.TaskObjectDetection, contract.FormatYOLO)
	put(t, filepath.Dir(r.Out), m{".prepared.partial-123/labels/train/0.txt": "half"}) // killed before
	p := prepare(t, r)
	for name := range listing(t, filepath.Dir(r.Out)) {
		if !strings.HasPrefix(name, "prepared/") {
			t.Errorf("%s is left beside %s", name, p.Dir)
		}
	}
}

// Only Ultralytics drops images with a side below 10 pixels: no other trainer loses them.
func TestEdge28SmallImagesAreLeftOutForUltralyticsAlone(t *testing.T) {
	files := m{}
	for _, name := range []string{"train/cat/0", "train/dog/0", "val/cat/0", "val/dog/0"} {
		files[name+".jpg"] = jpegOf(64, 48)
	}
	files["train/cat/small.jpg"], files["val/dog/small.jpg"] = jpegOf(9, 40), jpegOf(40, 1)
	root := folder(t, files)
	for framework, want := range map[string]int{contract.FrameworkUltralytics: 4, contract.FrameworkTimm: 6, contract.FrameworkHuggingFace: 6, "mine": 6, "": 6} {
		r := request(t, root, classifying, contract.FormatImageFolder)
		r.Framework = framework
		p := prepare(t, r)
		got := 0
		for _, split := range p.Splits {
			got += split.Images
		}
		if got != want || find(p, "image_too_small").Count != 6-want {
			t.Errorf("%q: %d images, want %d; %v", framework, got, want, p.Problems)
		}
	}
}

func TestEdge28UnusualPixels(t *testing.T) {
	deep := image.NewRGBA64(image.Rect(0, 0, 40, 30))
	deep.Set(3, 3, color.RGBA64{1, 2, 3, 65535})
	files := m{"deep.png": encodePNG(deep), "alpha.png": encodePNG(image.NewNRGBA(image.Rect(0, 0, 40, 30))), "gray.png": encodePNG(image.NewGray16(image.Rect(0, 0, 40, 30)))}
	p := prepare(t, request(t, named(files)(t), contract.TaskObjectDetection, contract.FormatYOLO))
	has("deep.png", "alpha.png", "gray.png")(t, p)
}

func TestEdgeCasesOfSplits(t *testing.T) {
	n := func(count int) func(t *testing.T) string {
		return func(t *testing.T) string { return dataset(t, count, func(int) []any { return []any{good()} }, nil) }
	}
	sizes := func(want string) func(t *testing.T, p *converters.Prepared) {
		return func(t *testing.T, p *converters.Prepared) {
			var got []string
			for _, c := range p.Splits {
				got = append(got, fmt.Sprintf("%s %d", c.Split, c.Images))
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("%v, want %s", got, want)
			}
		}
	}
	for _, e := range []edge{
		{name: "39 one image", root: n(1), refused: "too_few_images"},
		{name: "39 two images", root: n(2), check: sizes("train 1, val 1")},
		{name: "39 an empty val", root: n(5), split: `{"ratio": [1, 0]}`, problem: "split_moved_image", check: sizes("train 4, val 1")},
		{name: "39 three ways", root: n(10), split: `{"ratio": [0.7, 0.2, 0.1]}`, check: sizes("train 7, val 2, test 1")},
		{name: "39 unknown ids", root: n(4), split: `{"method": "custom", "splits": {"0": "train", "1": "train", "2": "val", "3": "test", "99": "val"}}`, problem: "split_unknown_image", example: "99", check: sizes("train 2, val 1, test 1")},
		{name: "39 an id in two splits", root: n(4), split: `{"method": "custom", "splits": {"0": "train", "0.jpg": "val"}}`, refused: "split_contradiction"},
		{name: "39 unlisted images", root: n(4), split: `{"method": "custom", "splits": {"0": "train", "1": "val"}}`, problem: "split_unlisted_image", count: 2},
		{name: "39 split_config and other fields of the images", root: func(t *testing.T) string {
			return folder(t, m{"images/0.jpg": jpegOf(64, 48), "images/1.jpg": jpegOf(64, 48), "images/2.jpg": jpegOf(64, 48),
				"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "split_config": m{"splits": m{"0": "train", "1": "val", "2": "train"}}, "images": []any{
					m{"id": 0, "file_name": "0.jpg", "split": "train", "annotations": []any{good()}},
					m{"id": 1, "file_name": "1.jpg", "split": "val", "annotations": []any{good()}},
					m{"id": 2, "file_name": "2.jpg", "split": "test", "annotations": []any{good()}}}}})
		}, problem: "split_fields_overridden", example: "2 says test and is in train", check: sizes("train 2, val 1")},
		{name: "39 excluded images", root: n(4), split: `{"exclude_images": [0, "1.jpg"]}`, problem: "split_excluded_image", count: 2, check: sizes("train 1, val 1")},
		{name: "38 a class that val never sees", root: func(t *testing.T) string {
			return dataset(t, 3, func(i int) []any { return []any{box([]int{1, 1, 5}[i], 16, 12, 32, 24)} }, m{"split_config": m{"splits": m{"0": "train", "1": "val", "2": "train"}}})
		}, problem: "class_only_elsewhere", example: `"dog" in val`},
	} {
		t.Run(e.name, e.run)
	}
}

func TestEdge42AnnotationsThatAreNotJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"images": [`:                        "not valid JSON",
		`{"images": []} trailing`:             "more text after the end",
		strings.Repeat("[", 1<<20):            "not in Platform Format: it has another shape: expected an object",
		`{"images": {}}`:                      `not in Platform Format: it has another shape: "images" is not a list at byte 11`,
		"\xff\xfe{\x00":                       "not valid JSON",
		`{"a": ` + strings.Repeat("[", 1<<20): "nested",
	} {
		_, err := converters.Prepare(t.Context(), request(t, folder(t, m{"annotations.json": text}), contract.TaskObjectDetection, contract.FormatYOLO))
		if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message, want) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

func TestStrictRefusesWhatIsLeftOut(t *testing.T) {
	r := request(t, named(m{"gone.jpg": nil})(t), contract.TaskObjectDetection, contract.FormatYOLO)
	r.Strict = true
	if _, err := converters.Prepare(t.Context(), r); err == nil || !strings.Contains(err.Error(), "gone.jpg") {
		t.Errorf("error %v", err)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	r := request(t, first(box(1, 100, 5, 5, 5), good())(t), contract.TaskObjectDetection, contract.FormatYOLO)
	r.DryRun = true
	p := prepare(t, r)
	if left := listing(t, filepath.Dir(r.Out)); len(left) > 0 || find(p, "object_outside").Count != 1 || p.Splits[0].Objects != 3 && p.Splits[1].Objects != 3 {
		t.Errorf("left %v, found %+v", left, p)
	}
}
