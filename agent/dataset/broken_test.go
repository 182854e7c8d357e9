package dataset

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestServerWithoutRangesGetsATemporaryFile(t *testing.T) {
	want := shapes()
	b := zipBucket(t, want)
	b.onGet = func(_ string, offset int64) error {
		if offset > 0 {
			return contract.ErrNoRanges
		}
		return nil
	}
	dir := t.TempDir()
	d := fetch(t, b, Request{Dir: dir})
	wantTree(t, d.Dir, want)
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "object.zip")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDatasetReplacedWhileItIsReadStartsOver(t *testing.T) {
	b := zipBucket(t, files{"annotations.json": "old", "images/a.jpg": strings.Repeat("old", 100_000)})
	want := files{"annotations.json": "new", "images/b.jpg": strings.Repeat("new", 100_000)}
	fresh, gets := zipOf(t, want), 0
	b.onGet = func(string, int64) error {
		if gets++; gets == 3 {
			b.objects["datasets/d1.zip"] = fresh
		}
		return nil
	}
	dir := t.TempDir()
	d := fetch(t, b, Request{Dir: dir})
	wantTree(t, d.Dir, want)
	if left, _ := filepath.Glob(filepath.Join(dir, "*.partial")); len(left) > 0 {
		t.Errorf("the old version's files stay: %v", left)
	}
}

func TestDatasetReplacedAllTheTimeGivesUp(t *testing.T) {
	b, n := zipBucket(t, shapes()), 0
	b.onGet = func(string, int64) error {
		n++
		b.tags = map[string]string{"datasets/d1.zip": fmt.Sprintf(`"v%d"`, n)}
		return nil
	}
	if _, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir()}); !errors.Is(err, contract.ErrObjectChanged) {
		t.Errorf("error %v", err)
	}
	if n > 2*(maxRestarts+1) {
		t.Errorf("%d reads", n)
	}
}

func TestRestartedAgentFetchesOnlyWhatIsMissing(t *testing.T) {
	want := files{}
	for i := range 40 {
		want[fmt.Sprintf("images/%02d.jpg", i)] = strings.Repeat(fmt.Sprint(i), 100_000)
	}
	for name, b := range map[string]*bucket{"zip": zipBucket(t, want), "prefix": prefixBucket(want)} {
		t.Run(name, func(t *testing.T) {
			dir, broken := t.TempDir(), errors.New("the store went away")
			b.onGet = func(string, int64) error {
				if len(b.gets) > 3 {
					return broken
				}
				return nil
			}
			if name == "zip" {
				b.onGet = nil
				b.bend = func(_ string, r io.Reader) io.Reader {
					if len(b.gets) < 3 { // end record and directory
						return r
					}
					return io.MultiReader(io.LimitReader(r, 1_500_000), iotest{broken})
				}
			}
			if _, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: dir, Workers: 1}); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			b.onGet, b.bend, b.sent, b.gets = nil, nil, 0, nil
			d := fetch(t, b, Request{Dir: dir, Workers: 1})
			wantTree(t, d.Dir, want)
			if whole := d.Bytes; b.sent >= whole-200_000 {
				t.Errorf("%d of %d bytes were sent again", b.sent, whole)
			}
		})
	}
}

type iotest struct{ err error }

func (i iotest) Read([]byte) (int, error) { return 0, i.err }

func TestObjectDamagedOnTheWayIsFetchedAgain(t *testing.T) {
	want := shapes()
	b, damaged := prefixBucket(want), 0
	b.bend = func(key string, r io.Reader) io.Reader {
		if !strings.HasSuffix(key, "003.jpg") || damaged > 0 {
			return r
		}
		damaged++
		body, _ := io.ReadAll(r)
		body[0] ^= 1
		return bytes.NewReader(body)
	}
	d := fetch(t, b, Request{})
	wantTree(t, d.Dir, want)
	if damaged != 1 {
		t.Error("nothing was damaged")
	}
}

func TestTagsThatAreNoMD5AreRecognised(t *testing.T) {
	want := shapes()
	b := prefixBucket(want)
	b.tags = map[string]string{}
	for key := range b.objects {
		b.tags[key] = fmt.Sprintf(`"%x"`, md5.Sum([]byte("kms"+key)))
	}
	d := fetch(t, b, Request{Workers: 1})
	wantTree(t, d.Dir, want)
	if extra := len(b.gets) - len(want); extra != 1 {
		t.Errorf("%d objects were read twice, one is enough to know", extra)
	}
}

func TestETagsSurviveTheirPacking(t *testing.T) {
	for _, tag := range []string{
		`"d41d8cd98f00b204e9800998ecf8427e"`, `"d41d8cd98f00b204e9800998ecf8427e-12"`, `"D41D8CD98F00B204E9800998ECF8427E"`,
		`d41d8cd98f00b204e9800998ecf8427e`, `"5-17a"`, `"d41d8cd98f00b204e9800998ecf8427e-0"`, `"d41d8cd98f00b204e9800998ecf8427e-012"`,
		``, `W/"abc"`, `"00000000000000000000000000000000"`,
	} {
		if got := parseETag(tag).String(); got != tag {
			t.Errorf("%s became %s", tag, got)
		}
	}
}
