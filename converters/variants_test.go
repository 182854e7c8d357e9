package converters_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// variants are the files of testdata/images (testdata/image_variants.py made
// them), each of 16 × 12 pixels.
func variants(t *testing.T) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "images"))
	if err != nil || len(entries) < 60 {
		t.Fatalf("%d images: %v", len(entries), err)
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "_" + ext[1:] + ext // one label each
		if files[name], err = os.ReadFile(filepath.Join("testdata", "images", e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	files["photo_heic.heic"] = heic(16, 12)
	return files
}

// heic is a file of boxes around no pixels: what says its size is in front.
func heic(w, h uint32) []byte {
	box := func(kind string, content ...[]byte) []byte {
		body := slices.Concat(content...)
		return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8)), []byte(kind), body)
	}
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4), w), h)
	return slices.Concat(
		box("ftyp", []byte("mif1\x00\x00\x00\x00mif1heic")),
		box("meta", make([]byte, 4),
			box("pitm", []byte{0, 0, 0, 0, 0, 1}),
			box("iprp", box("ipco", box("ispe", size)), box("ipma", []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1}))),
		box("mdat", make([]byte, 100)))
}

// whatKindOfSet is one image with a label each, in a layout of the task.
func whatKindOfSet(task contract.TaskType, images map[string][]byte) m {
	files := m{}
	if task != contract.TaskObjectDetection {
		for name, content := range images {
			files["train/a/"+name] = content
		}
		for _, split := range []string{"train", "val"} {
			files[split+"/a/plain.png"], files[split+"/b/plain.png"] = pngOf(16, 12), pngOf(16, 12)
		}
		return files
	}
	files["data.yaml"] = "train: images/train\nval: images/val\nnames: [a]\n"
	for name, content := range images {
		files["images/train/"+name] = content
		files["labels/train/"+strings.TrimSuffix(name, path.Ext(name))+".txt"] = "0 .5 .5 .5 .5\n"
	}
	for i := range 4 {
		files[fmt.Sprintf("images/val/%d.png", i)], files[fmt.Sprintf("labels/val/%d.txt", i)] = pngOf(16, 12), "0 .5 .5 .5 .5\n"
	}
	return files
}

// leftOut are the images of which there is none in the prepared folder.
func leftOut(t *testing.T, p *converters.Prepared, all map[string][]byte) []string {
	t.Helper()
	stem := func(name string) string { name, _, _ = strings.Cut(path.Base(name), "."); return name }
	written := make(map[string]bool)
	for name := range listing(t, p.Dir) {
		if !strings.HasSuffix(name, ".txt") {
			written[stem(name)] = true
		}
	}
	var out []string
	for name := range all {
		if !written[stem(name)] {
			out = append(out, stem(name))
		}
	}
	slices.Sort(out)
	return out
}

// TestNoVariantOfAFormatIsCalledBroken: what the trainer reads it gets as it is,
// what it does not read is left out and named, and none of them refuses the set.
func TestNoVariantOfAFormatIsCalledBroken(t *testing.T) {
	all := variants(t)
	for _, c := range []struct {
		task   contract.TaskType
		format contract.DatasetFormat
		unread []string
	}{
		{contract.TaskObjectDetection, contract.FormatYOLO, []string{"double_colors_tif", "float_colors_tif", "hand_big_MM_tif", "jpeg_inside_bmp",
			"lzma_tif", "mode_F_tif", "mode_I_tif", "os2_short_bmp", "photo_heic", "turned_avif", "zstd_tif"}},
		{contract.TaskObjectDetection, contract.FormatCOCO, []string{"double_colors_tif", "float_colors_tif", "hand_big_MM_tif", "jpeg_inside_bmp",
			"os2_short_bmp", "photo_heic", "turned_avif"}},
	} {
		p := prepare(t, request(t, folder(t, whatKindOfSet(c.task, all)), c.task, c.format))
		if out := leftOut(t, p, all); !slices.Equal(out, c.unread) || find(p, "broken_image").Count > 0 || find(p, "unreadable_format").Count != len(out) {
			t.Errorf("%s: left out %v, want %v; %v", c.format, out, c.unread, p.Problems)
		}
	}
	r := request(t, folder(t, whatKindOfSet(contract.TaskImageClassification, all)), contract.TaskImageClassification, contract.FormatImageFolder)
	p := prepare(t, r)
	if n := find(p, "unreadable_format").Count; find(p, "broken_image").Count > 0 || find(p, "not_an_image").Count > 0 || n < 20 || n > 40 {
		t.Errorf("%d unreadable: %v", n, p.Problems)
	}
}

// TestTheReadersOpenWhatTheyAreGiven: Pillow and OpenCV read every image that is
// linked for them, and none that is left out.
func TestTheReadersOpenWhatTheyAreGiven(t *testing.T) {
	need.Python(t)
	all := variants(t)
	dir := t.TempDir()
	var paths []string
	for name, content := range all {
		at := filepath.Join(dir, strings.Replace(name, ".j2k", ".jp2", 1))
		if err := os.WriteFile(at, content, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, at)
	}
	var got map[string]struct{ PIL, CV2 []int }
	readWith(t, "open_images.py", paths, &got)
	var noPIL, noCV2 []string
	for at, sizes := range got {
		stem, _, _ := strings.Cut(filepath.Base(at), ".")
		for _, size := range [][]int{sizes.PIL, sizes.CV2} {
			if size != nil && !reflect.DeepEqual(size, []int{16, 12}) {
				t.Errorf("%s is %v", at, size)
			}
		}
		if sizes.PIL == nil {
			noPIL = append(noPIL, stem)
		}
		if sizes.CV2 == nil {
			noCV2 = append(noCV2, stem)
		}
	}
	slices.Sort(noPIL)
	slices.Sort(noCV2)
	if want := []string{"double_colors_tif", "float_colors_tif", "hand_big_MM_tif", "jpeg_inside_bmp", "os2_short_bmp", "photo_heic"}; !slices.Equal(noPIL, want) {
		t.Errorf("Pillow does not read %v, want %v", noPIL, want)
	}
	for _, name := range []string{"lzma_tif", "zstd_tif", "jpeg_inside_bmp", "os2_short_bmp", "photo_heic"} {
		if !slices.Contains(noCV2, name) {
			t.Errorf("OpenCV reads %s", name)
		}
	}
	for _, name := range noCV2 {
		if strings.HasSuffix(name, "_bmp") && name != "jpeg_inside_bmp" && name != "os2_short_bmp" {
			t.Errorf("OpenCV does not read %s", name)
		}
	}
}

// TestSizesWhoseProductOverflowsAreNoPanic: 107 bytes that claim four thousand
// million pixels each way ended the agent without a done.
func TestSizesWhoseProductOverflowsAreNoPanic(t *testing.T) {
	png := func(w, h uint32) []byte {
		b := pngOf(16, 12)
		binary.BigEndian.PutUint32(b[16:], w)
		binary.BigEndian.PutUint32(b[20:], h)
		binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
		return b[:107]
	}
	bmp := func(w, h uint32) []byte {
		b := make([]byte, 107)
		copy(b, "BM")
		b[10], b[14] = 54, 40
		binary.LittleEndian.PutUint32(b[18:], w)
		binary.LittleEndian.PutUint32(b[22:], h)
		b[26], b[28] = 1, 24
		return b
	}
	tiff := func(w, h uint32) []byte {
		b := []byte("II*\x00\x08\x00\x00\x00\x03\x00")
		for _, v := range [][2]uint32{{256, w}, {257, h}, {273, 8}} {
			b = binary.LittleEndian.AppendUint16(b, uint16(v[0]))
			b = binary.LittleEndian.AppendUint16(b, 4)
			b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 1), v[1])
		}
		return append(b, make([]byte, 60)...)
	}
	jp2 := func(w, h uint32) []byte {
		b := []byte("\xff\x4f\xff\x51\x00\x29\x00\x00")
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, w), h)
		return append(b, make([]byte, 90)...)
	}
	claims := map[string]func(w, h uint32) []byte{"png": png, "bmp": bmp, "tif": tiff, "jp2": jp2, "heic": heic, "avif": func(w, h uint32) []byte {
		return []byte(strings.Replace(string(heic(w, h)), "mif1heic", "mif1avif", 1))
	}}
	sizes := [][2]uint32{{0xffffffff, 0xffffffff}, {0x7fffffff, 0x7fffffff}, {1 << 31, 2}, {3037000500, 3037000500}, {0, 5}, {5, 0}, {0, 0}, {0x7fffffff, 10}}
	images := map[string][]byte{"good.png": pngOf(16, 12)}
	for ext, claim := range claims {
		for _, size := range sizes {
			images[fmt.Sprintf("%d_%d_%s.%s", size[0], size[1], ext, ext)] = claim(size[0], size[1])
		}
	}
	for _, format := range []contract.DatasetFormat{contract.FormatYOLO, contract.FormatCOCO, contract.FormatImageFolder} {
		task := contract.TaskObjectDetection
		if format == contract.FormatImageFolder {
			task = contract.TaskImageClassification
		}
		p := prepare(t, request(t, folder(t, whatKindOfSet(task, images)), task, format))
		if n := find(p, "broken_image").Count + find(p, "image_too_large").Count + find(p, "unreadable_format").Count; n != len(claims)*len(sizes) {
			t.Errorf("%s: %d of %d: %v", format, n, len(claims)*len(sizes), p.Problems)
		}
	}
}
