package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// corner is a w × h picture whose top left quarter is red.
func corner(w, h int) image.Image {
	im := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{0, 0, 255, 255}
			if x < w/2 && y < h/2 {
				c = color.RGBA{255, 0, 0, 255}
			}
			im.SetRGBA(x, y, c)
		}
	}
	return im
}

func encode(t testing.TB, format string, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	switch format {
	case JPEG:
		err = jpeg.Encode(&out, corner(w, h), nil)
	case PNG:
		err = png.Encode(&out, corner(w, h))
	case GIF:
		err = gif.Encode(&out, corner(w, h), nil)
	case BMP:
		err = bmp.Encode(&out, corner(w, h))
	case TIFF:
		err = tiff.Encode(&out, corner(w, h), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// exif is a TIFF block with an orientation, in either byte order.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("MM")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = []byte("II")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = append(order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0100), 4), 1), 0, 0, 0, 0)
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0112), 3), 1)
	return append(order.AppendUint16(b, orientation), 0, 0, 0, 0, 0, 0)
}

// withSegment puts an APP segment behind a JPEG's first marker.
func withSegment(plain []byte, marker byte, content []byte) []byte {
	out := []byte{0xff, 0xd8, 0xff, marker}
	out = binary.BigEndian.AppendUint16(out, uint16(len(content)+2))
	return append(append(out, content...), plain[2:]...)
}

func turned(plain []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	return withSegment(plain, 0xe1, append([]byte("Exif\x00\x00"), exif(order, orientation)...))
}

func write(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProbe(t *testing.T) {
	plain := encode(t, JPEG, 40, 30)
	pngFile := encode(t, PNG, 40, 30)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(exif(binary.BigEndian, 6))))
	withEXIF := bytes.Join([][]byte{pngFile[:33], chunk, []byte("eXIf"), exif(binary.BigEndian, 6), {0, 0, 0, 0}, pngFile[33:]}, nil)
	far := plain
	for range 5 { // a frame header far behind the first four kilobytes
		far = withSegment(far, 0xe2, make([]byte, 60000))
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    Info
	}{
		{"JPEG", plain, Info{JPEG, 40, 30, 1, true, 0, ""}},
		{"JPEG, orientation 6, Motorola", turned(plain, binary.BigEndian, 6), Info{JPEG, 30, 40, 6, true, 0, ""}},
		{"JPEG, orientation 8, Intel", turned(plain, binary.LittleEndian, 8), Info{JPEG, 30, 40, 8, true, 0, ""}},
		{"JPEG, orientation 3", turned(plain, binary.BigEndian, 3), Info{JPEG, 40, 30, 3, true, 0, ""}},
		{"JPEG, orientation 9 is none", turned(plain, binary.BigEndian, 9), Info{JPEG, 40, 30, 1, true, 0, ""}},
		{"JPEG with a trailer", append(bytes.Clone(plain), 0, 0), Info{JPEG, 40, 30, 1, false, 0, ""}},
		{"JPEG with a far header", far, Info{JPEG, 40, 30, 1, true, 0, ""}},
		{"PNG", pngFile, Info{PNG, 40, 30, 1, true, 0, ""}},
		{"PNG with EXIF", withEXIF, Info{PNG, 30, 40, 6, true, 0, ""}},
		{"PNG without its end", pngFile[:len(pngFile)-12], Info{PNG, 40, 30, 1, false, 0, ""}},
		{"GIF", encode(t, GIF, 40, 30), Info{GIF, 40, 30, 1, true, 0, ""}},
		{"BMP", encode(t, BMP, 40, 30), Info{BMP, 40, 30, 1, true, 0, ""}},
		{"TIFF", encode(t, TIFF, 40, 30), Info{TIFF, 40, 30, 1, true, 0, ""}},
		{"GIF without its end", encode(t, GIF, 40, 30)[:900], Info{GIF, 40, 30, 1, false, 0, ""}},
		{"BMP without its end", encode(t, BMP, 40, 30)[:2000], Info{BMP, 40, 30, 1, false, 0, ""}},
		{"TIFF of strips without its end", cutStrips(t), Info{TIFF, 40, 30, 1, false, 0, ""}},
		{"WebP", webp, Info{WebP, 1, 1, 1, true, 0, ""}},
		{"WebP without its end", webp[:30], Info{WebP, 1, 1, 1, false, 0, ""}},
		{"text", []byte("hello"), Info{Unknown, 0, 0, 1, true, 0, ""}},
	} {
		c.want.Bytes = int64(len(c.content))
		if got, err := Probe(write(t, c.content)); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// webp is the smallest lossy picture there is (libwebp's test of one pixel).
var webp = []byte("RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x000\x01\x00\x9d\x01\x2a\x01\x00\x01\x00\x02\x00\x34\x25\xa4\x00\x03p\x00\xfe\xfb\xfd\x50\x00")

// cutStrips is a TIFF with its directory in front whose pixels are half there.
func cutStrips(t *testing.T) []byte {
	t.Helper()
	whole := encode(t, TIFF, 40, 30)
	at := binary.LittleEndian.Uint32(whole[4:])
	pixels, directory := whole[8:at], bytes.Clone(whole[at:])
	moved := uint32(8 + len(directory))
	count := int(binary.LittleEndian.Uint16(directory))
	for i := range count {
		field := directory[2+12*i:]
		kind, n := binary.LittleEndian.Uint16(field[2:]), binary.LittleEndian.Uint32(field[4:])
		size := map[uint16]uint32{3: 2, 4: 4, 5: 8}[kind] * n
		switch value := binary.LittleEndian.Uint32(field[8:]); {
		case binary.LittleEndian.Uint16(field) == tagStripStarts:
			binary.LittleEndian.PutUint32(field[8:], moved)
		case size > 4:
			binary.LittleEndian.PutUint32(field[8:], value-at+8)
		}
	}
	out := append([]byte("II*\x00\x08\x00\x00\x00"), directory...)
	return append(out, pixels[:len(pixels)/2]...)
}

func TestBrokenFilesAreErrors(t *testing.T) {
	for name, content := range map[string][]byte{
		"nothing": {}, "a JPEG's start": encode(t, JPEG, 40, 30)[:20], "a PNG's start": encode(t, PNG, 40, 30)[:20],
		"GIF": []byte("GIF89a"), "TIFF": []byte("II*\x00\xff\xff\xff\xff"), "no frame": {0xff, 0xd8, 0xff, 0xd9},
		"HEIC without boxes": []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "AVIF without boxes": []byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00"),
		"JPEG 2000 without a header": []byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "a codestream's start": []byte("\xff\x4f\xff\x51\x00"), "BMP": []byte("BM123456"),
		"BigTIFF": []byte("II+\x00\x08\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
	} {
		if info, err := Probe(write(t, content)); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	if _, err := Probe(t.TempDir()); !errors.Is(err, ErrBroken) {
		t.Errorf("a folder: %v", err)
	}
}

// TestDecodeIsUpright turns the red corner to where each orientation displays it.
func TestDecodeIsUpright(t *testing.T) {
	plain := encode(t, JPEG, 40, 30)
	want := map[uint16]string{1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left", 5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left"}
	for orientation, place := range want {
		im, err := Decode(write(t, turned(plain, binary.BigEndian, orientation)))
		if err != nil {
			t.Fatal(err)
		}
		w, h := im.Bounds().Dx(), im.Bounds().Dy()
		if (w == 40) != (orientation < 5) {
			t.Errorf("orientation %d: %dx%d", orientation, w, h)
		}
		got := ""
		for name, at := range map[string]image.Point{"top left": {2, 2}, "top right": {w - 3, 2}, "bottom left": {2, h - 3}, "bottom right": {w - 3, h - 3}} {
			if r, _, b, _ := im.At(at.X, at.Y).RGBA(); r > b {
				got += name
			}
		}
		if got != place {
			t.Errorf("orientation %d: red is %q, want %q", orientation, got, place)
		}
	}
}

// TestWebPHasItsTrueColors: black and white were grey.
func TestWebPHasItsTrueColors(t *testing.T) {
	video := image.NewYCbCr(image.Rect(0, 0, 4, 1), image.YCbCrSubsampleRatio420)
	copy(video.Y, []uint8{16, 235, 81, 0}) // black, white, red's luma, below black
	copy(video.Cb, []uint8{128, 90})
	copy(video.Cr, []uint8{128, 240})
	want := []color.NRGBA{{0, 0, 0, 255}, {255, 255, 255, 255}, {254, 0, 0, 255}, {160, 0, 0, 255}}
	for x, c := range want {
		if got := videoRange(video).At(x, 0); got != c {
			t.Errorf("pixel %d is %v, want %v", x, got, c)
		}
	}
	faint := &image.NYCbCrA{YCbCr: *video, A: []uint8{1, 2, 3, 4}, AStride: 4}
	if got := videoRange(faint).At(1, 0); got != (color.NRGBA{255, 255, 255, 2}) {
		t.Errorf("with alpha: %v", got)
	}
	if im, err := Decode(write(t, webp)); err != nil || im.Bounds().Dx() != 1 {
		t.Errorf("%v %v", im, err)
	} else if _, is := im.(*image.NRGBA); !is {
		t.Errorf("decoded as %T", im)
	}
}

// TestImagesThatClaimAnySizeAreDecodedOneByOne: eight small files that claim 180
// million pixels each took 4 bytes a pixel, all at once.
func TestImagesThatClaimAnySizeAreDecodedOneByOne(t *testing.T) {
	claim := func(w, h uint32) string {
		content := encode(t, PNG, 40, 30)[:100]
		binary.BigEndian.PutUint32(content[16:], w)
		binary.BigEndian.PutUint32(content[20:], h)
		binary.BigEndian.PutUint32(content[29:], crc32.ChecksumIEEE(content[12:29]))
		return write(t, content)
	}
	path := claim(18_000, 10_000)
	release, err := reserve(Info{Width: 18_000, Height: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := Decode(path)
		done <- err
	}()
	if decoding.TryAcquire(MaxPixels - 18_000*10_000 + 1) {
		t.Error("there is room for more than MaxPixels")
	}
	release()
	if err := <-done; !errors.Is(err, ErrBroken) {
		t.Errorf("error %v", err)
	}
	if _, err := Decode(claim(60_000, 60_000)); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "more than this agent decodes") {
		t.Errorf("error %v", err)
	}
}

func TestTruncatedIsTold(t *testing.T) {
	content := encode(t, JPEG, 400, 300)
	if _, err := Decode(write(t, content[:len(content)/2])); !errors.Is(err, ErrBroken) {
		t.Errorf("error %v", err)
	}
}

func FuzzProbe(f *testing.F) {
	for _, format := range []string{JPEG, PNG, GIF, BMP, TIFF} {
		f.Add(encode(f, format, 20, 20))
	}
	f.Add(webp)
	more, _ := filepath.Glob("../../testdata/images/*")
	for _, path := range more {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add(turned(encode(f, JPEG, 20, 20), binary.LittleEndian, 6))
	f.Fuzz(func(t *testing.T, content []byte) {
		info, err := probe(bytes.NewReader(content), int64(len(content)))
		if err == nil && info.Format != Unknown && (info.Width < 1 || info.Height < 1) {
			t.Fatalf("%+v", info)
		}
		if err == nil && (info.Orientation < 1 || info.Orientation > 8) {
			t.Fatalf("%+v", info)
		}
	})
}
