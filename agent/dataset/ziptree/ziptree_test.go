package ziptree

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/text"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testLimits = Limits{MaxBytes: 1<<21 - 1, MaxFiles: 5, MaxRatio: 100}

// unpack does what the dataset room does with an archive.
func unpack(ctx context.Context, src Source, limits Limits, dir string) (*Directory, error) {
	d, err := ReadDirectory(ctx, src, limits)
	if err != nil {
		return nil, err
	}
	dest, resumed, err := tree.Create(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dest.Close() }()
	if err := dest.MakeDirs(d.Dirs()); err != nil {
		return nil, err
	}
	return d, d.Extract(ctx, dest, Options{Workers: 3, Resumed: resumed})
}

func source(b []byte) Source { return FromReaderAt(bytes.NewReader(b), int64(len(b)), "test.zip") }

func readAll(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			t.Errorf("%s is %v", path, d.Type())
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		got[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestArchivesThatUnpack(t *testing.T) {
	for name, c := range good() {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			d, err := unpack(t.Context(), source(c.archive.bytes()), testLimits, dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, dir); !maps.Equal(got, c.want) {
				t.Errorf("unpacked %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(c.want)))
			}
			if d.Files() != len(c.want) {
				t.Errorf("%d files", d.Files())
			}
		})
	}
}

func TestArchivesThatAreRefused(t *testing.T) {
	for name, c := range bad() {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			_, err := unpack(t.Context(), source(c.archive.bytes()), testLimits, filepath.Join(parent, "data"))
			wantRefusal(t, err, c.says)
			names, _ := os.ReadDir(parent)
			if len(names) > 1 {
				t.Errorf("something was written outside: %v", names)
			}
		})
	}
}

func wantRefusal(t *testing.T, err error, says string) {
	t.Helper()
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok || !strings.Contains(f.Line(), says) || !strings.Contains(f.Line(), "test.zip") {
		t.Fatalf("error %v, want one about test.zip that says %q", err, says)
	}
	if f.Code != contract.CodeDatasetInvalid && f.Code != contract.CodeDatasetTooLarge {
		t.Errorf("code %s", f.Code)
	}
}

func TestWhatIsNoZip(t *testing.T) {
	whole := good()["plain"].archive.bytes()
	tar := append(make([]byte, 257), "ustar\x0000"...)
	for says, b := range map[string][]byte{
		"it has 0 bytes": nil, "it has 3 bytes": []byte("PK\x05"), "is cut off": whole[:len(whole)-30],
		"a gzip file": append([]byte("\x1f\x8b"), make([]byte, 100)...), "a web page": []byte("<html>" + strings.Repeat(" ", 100)),
		"a 7-Zip archive": append([]byte("7z\xbc\xaf\x27\x1c"), make([]byte, 100)...), "a tar archive": append(tar, make([]byte, 300)...),
		"is no zip": make([]byte, 1000),
	} {
		_, err := unpack(t.Context(), source(b), testLimits, filepath.Join(t.TempDir(), "d"))
		wantRefusal(t, err, says)
	}
}

func TestRatioIsLimitedOnlyForMuchData(t *testing.T) {
	d := &Directory{src: source(nil), Bytes: RatioFloor + 1, Packed: RatioFloor / 300, entries: make([]entry, 1)}
	wantRefusal(t, d.within(testLimitsWide), "times its size")
	d.Bytes = RatioFloor
	if err := d.within(testLimitsWide); err != nil {
		t.Error(err)
	}
}

var testLimitsWide = Limits{MaxBytes: 1 << 40, MaxFiles: 1 << 20, MaxRatio: 200}

// flaky serves ranges and breaks as the test says.
type flaky struct {
	Source
	ranges int
	hook   func(n int, r io.Reader) io.Reader
}

func (f *flaky) Range(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := f.Source.Range(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	f.ranges++
	return io.NopCloser(f.hook(f.ranges, r)), nil
}

func many(n, size int) archive {
	var a archive
	for i := range n {
		a.members = append(a.members, member{name: fmt.Sprintf("images/%05d.jpg", i), body: strings.Repeat(string(rune('a'+i%26)), size), deflate: i%2 == 0})
	}
	return a
}

func TestBrokenFetchGoesOnAtTheFile(t *testing.T) {
	b := many(200, 5000).bytes()
	dir := filepath.Join(t.TempDir(), "data")
	broken := errors.New("the network broke")
	src := &flaky{Source: source(b), hook: func(n int, r io.Reader) io.Reader {
		if n <= 2 { // end record and directory
			return r
		}
		return io.MultiReader(io.LimitReader(r, 150_000), failing{broken})
	}}
	if _, err := unpack(t.Context(), src, testLimitsWide, dir); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	kept := len(readAll(t, dir))
	if kept == 0 || kept == 200 {
		t.Fatalf("%d files before the break", kept)
	}
	spoiled := filepath.Join(dir, "images/00000.jpg") // same size, other content
	if err := errors.Join(os.Remove(spoiled), os.WriteFile(spoiled, bytes.Repeat([]byte("?"), 5000), 0o444)); err != nil {
		t.Fatal(err)
	}
	d, err := unpack(t.Context(), source(b), testLimitsWide, dir)
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, dir)
	_ = d.Each(func(path string, size int64, _ uint32) error {
		if int64(len(got[path])) != size || strings.Contains(got[path], "?") {
			t.Errorf("%s is wrong after the resumption", path)
		}
		return nil
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestFlippedBitOnTheWayIsFetchedAgain(t *testing.T) {
	b := many(20, 5000).bytes()
	src := &flaky{Source: source(b), hook: func(n int, r io.Reader) io.Reader {
		if n != 3 {
			return r
		}
		all, _ := io.ReadAll(r)
		all[len(all)/2] ^= 1
		return bytes.NewReader(all)
	}}
	if _, err := unpack(t.Context(), src, testLimitsWide, filepath.Join(t.TempDir(), "d")); err != nil {
		t.Fatal(err)
	}
	if src.ranges != 4 {
		t.Errorf("%d ranges", src.ranges)
	}
}

func TestExtractionStopsInTheMiddleOfAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := one(member{name: "big.bin", body: strings.Repeat("0123456789", 200_000)})
	src := &flaky{Source: source(a.bytes()), hook: func(n int, r io.Reader) io.Reader {
		if n == 3 {
			return io.MultiReader(io.LimitReader(r, 1_000_000), hooked{r, cancel})
		}
		return r
	}}
	dir := filepath.Join(t.TempDir(), "d")
	if _, err := unpack(ctx, src, testLimitsWide, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := readAll(t, dir); len(got) != 0 {
		t.Error("half a file stays behind")
	}
}

type hooked struct {
	r    io.Reader
	hook func()
}

func (h hooked) Read(p []byte) (int, error) { h.hook(); return h.r.Read(p) }

func TestFolderThatIsALinkIsNotFollowed(t *testing.T) {
	outside, dir := t.TempDir(), filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(outside, filepath.Join(dir, "images"))); err != nil {
		t.Fatal(err)
	}
	if _, err := unpack(t.Context(), source(many(3, 10).bytes()), testLimitsWide, dir); err == nil {
		t.Error("unpacked through a link")
	}
	if names, _ := os.ReadDir(outside); len(names) > 0 {
		t.Errorf("outside: %v", names)
	}
}

func TestMemoryAFile(t *testing.T) {
	if size := int(sizeOfEntry); size > 40 {
		t.Errorf("an entry takes %d bytes", size)
	}
}

// TestNamesInACodePageAreSaid: how many, as what, and an example.
func TestNamesInACodePageAreSaid(t *testing.T) {
	for name, want := range map[string]text.Reading{
		"GBK names": {Page: "GBK", Count: 2, Example: "猫/0.jpg"}, "cp949 names": {Page: "cp949", Count: 2, Example: "images/한글 사진.jpg"},
		"Shift-JIS names with a backslash": {Page: "Shift-JIS", Count: 2, Example: "表示/ソース.jpg"}, "Big5 names": {Page: "Big5", Count: 1, Example: "圖片/蘋果.jpg"},
		"names of a code page beside UTF-8": {Page: "cp949", Count: 1, Example: "고양이/1.jpg"}, "cp437 names": {Page: "cp437", Count: 1, Example: "café/naïve.jpg"},
		"UTF-8 names without the flag": {}, "UTF-8 name in the extra field": {}, "plain": {},
	} {
		raw := good()[name].archive.bytes()
		d, err := ReadDirectory(t.Context(), FromReaderAt(bytes.NewReader(raw), int64(len(raw)), name), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Names != want {
			t.Errorf("%s: %+v, want %+v", name, d.Names, want)
		}
	}
}

// 62 KB of such names made 30,000 folders in 100 s.
func TestFolderBombsAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	pack := func(names ...string) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, name := range names {
			if _, err := w.Create(name); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var deep, wide []string
	for i := range 20 {
		deep = append(deep, fmt.Sprintf("%d/%sf", i, strings.Repeat("a/", 1500)))
		wide = append(wide, fmt.Sprintf("%d/%sf", i, strings.Repeat("a/", 60)))
	}
	for says, bomb := range map[string][]string{"more than 64 folders deep": deep, "20 files in 1220 folders": wide} {
		dir := filepath.Join(t.TempDir(), "data")
		_, err := unpack(t.Context(), source(pack(bomb...)), Limits{MaxFiles: 1000}, dir)
		wantRefusal(t, err, says)
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", says)
		}
	}
}
