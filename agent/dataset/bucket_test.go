package dataset

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/ziptree"
	"github.com/vision-platform/trainer-agent/contract"
)

// bucket is a store in memory whose answers a test can bend.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	tags    map[string]string // replaces the MD5
	onGet   func(key string, offset int64) error
	bend    func(key string, r io.Reader) io.Reader
	gets    []string
	sent    int64
}

func (b *bucket) info(key string) (contract.ObjectInfo, error) {
	body, ok := b.objects[key]
	if !ok {
		return contract.ObjectInfo{}, contract.Failf(contract.CodeStorageError, "%s: %w", key, fs.ErrNotExist)
	}
	tag, ok := b.tags[key]
	if !ok {
		tag = fmt.Sprintf(`"%x"`, md5.Sum(body))
	}
	return contract.ObjectInfo{Key: key, Size: int64(len(body)), ETag: tag}, nil
}

func (b *bucket) Stat(_ context.Context, key string) (contract.ObjectInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info(key)
}

func (b *bucket) Get(_ context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gets = append(b.gets, key)
	if b.onGet != nil {
		if err := b.onGet(key, offset); err != nil {
			return nil, contract.ObjectInfo{}, err
		}
	}
	info, err := b.info(key)
	if err == nil && etag != "" && etag != info.ETag {
		err = contract.ErrObjectChanged
	}
	if err != nil {
		return nil, info, err
	}
	body := b.objects[key][offset:]
	if length >= 0 && length < int64(len(body)) {
		body = body[:length]
	}
	b.sent += int64(len(body))
	var r io.Reader = bytes.NewReader(body)
	if b.bend != nil {
		r = b.bend(key, r)
	}
	return io.NopCloser(r), info, nil
}

func (b *bucket) List(_ context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error] {
	return func(yield func(contract.ObjectInfo, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			info, err := b.info(key)
			if strings.HasPrefix(key, prefix) && !yield(info, err) {
				return
			}
		}
	}
}

func (b *bucket) URI(key string) string { return "s3://b/" + key }

func zipBucket(t *testing.T, f files) *bucket {
	return &bucket{objects: map[string][]byte{"datasets/d1.zip": zipOf(t, f)}}
}

func prefixBucket(f files) *bucket {
	b := &bucket{objects: map[string][]byte{}}
	for name, body := range f {
		b.objects["datasets/d1/"+name] = []byte(body)
	}
	return b
}

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

func TestDiskIsMeasuredBeforeTheFirstByte(t *testing.T) {
	for name, c := range map[string]struct {
		free Space
		says string
	}{
		"bytes":  {Space{Bytes: 100_000, Files: -1}, "and 97.7 KiB is free"},
		"inodes": {Space{Bytes: 1 << 40, Files: 10}, "room for 10 more"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Fetch(t.Context(), zipBucket(t, shapes()), Request{ID: "d1", Dir: dir, Space: func(string) (Space, error) { return c.free, nil }})
			f, ok := errors.AsType[*contract.Failure](err)
			if !ok || f.Code != contract.CodeDiskFull || !strings.Contains(f.Line(), c.says) {
				t.Errorf("error %v", err)
			}
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
				if strings.Contains(path, "images") {
					t.Errorf("written: %s", path)
				}
				return nil
			})
		})
	}
}

func TestFullDiskMakesTheCacheGiveUpOldDatasets(t *testing.T) {
	shared := t.TempDir()
	b := zipBucket(t, shapes())
	b.objects["datasets/old.zip"] = zipOf(t, files{"a": strings.Repeat("x", 5_000_000)})
	old := fetch(t, b, Request{ID: "old", CacheDir: shared})
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	space := func(string) (Space, error) {
		if _, err := os.Stat(old.Dir); err == nil {
			return Space{Bytes: 1000, Files: -1}, nil
		}
		return Space{Bytes: 1 << 30, Files: -1}, nil
	}
	d := fetch(t, b, Request{CacheDir: shared, Space: space})
	wantTree(t, d.Dir, shapes())
}

func TestLimitsOfADataset(t *testing.T) {
	for name, b := range map[string]*bucket{"zip": zipBucket(t, shapes()), "prefix": prefixBucket(shapes())} {
		for _, limits := range []ziptree.Limits{{MaxFiles: 10}, {MaxBytes: 1000}} {
			_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir(), Limits: limits})
			if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeDatasetTooLarge {
				t.Errorf("%s %+v: %v", name, limits, err)
			}
		}
	}
}

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

func TestDatasetsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		says string
	}{
		"key that leads outside": {[]string{"images/../../../etc/cron.d/x"}, "leads out of the dataset"},
		"file and folder":        {[]string{"images", "images/a.jpg"}, "both as a file and as a folder"},
		"two spellings":          {[]string{"images/a.jpg", "images//a.jpg"}, "two objects for the file images/a.jpg"},
	} {
		b := &bucket{objects: map[string][]byte{}}
		for _, key := range c.keys {
			b.objects["datasets/d1/"+key] = []byte("x")
		}
		_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir()})
		f, ok := errors.AsType[*contract.Failure](err)
		if !ok || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Line(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrappingFolderIsLookedThrough(t *testing.T) {
	b := zipBucket(t, files{"my set/v1/annotations.json": "{}", "my set/v1/images/a.jpg": "a", "__MACOSX/my set/._v1": "junk"})
	d := fetch(t, b, Request{})
	wantTree(t, d.Dir, files{"annotations.json": "{}", "images/a.jpg": "a"})
	if d.Junk != 1 {
		t.Errorf("%d entries left out", d.Junk)
	}
}

func TestSnapshotThatIsNotThereOnlyLabelsTheJob(t *testing.T) {
	d := fetch(t, zipBucket(t, shapes()), Request{SnapshotID: "job-1"})
	if d.AnnotationsPath != "" || d.MissingCount != 0 {
		t.Errorf("%+v", d)
	}
}

func TestSnapshotThatIsNoJSONIsRefused(t *testing.T) {
	b := zipBucket(t, shapes())
	b.objects["datasets/d1/snapshots/job-1.json"] = []byte("<html>")
	_, err := Fetch(t.Context(), b, Request{ID: "d1", SnapshotID: "job-1", Dir: t.TempDir()})
	if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeDatasetInvalid {
		t.Errorf("error %v", err)
	}
}

func TestProgressEndsAtTheTotals(t *testing.T) {
	var last contract.Transfer
	d := fetch(t, zipBucket(t, shapes()), Request{Progress: func(p contract.Transfer) { last = p }})
	if last.What != "dataset" || last.FilesDone != d.Files || last.FilesTotal != d.Files || last.BytesDone != last.BytesTotal || last.BytesTotal == 0 {
		t.Errorf("the last report is %+v", last)
	}
}

func TestDamagedCacheInUseGivesTheJobItsOwnCopy(t *testing.T) {
	shared, want := t.TempDir(), shapes()
	b := zipBucket(t, want)
	first := fetch(t, b, Request{CacheDir: shared})
	unseal(t, shared)
	if err := os.Remove(filepath.Join(first.Dir, "images/000.jpg")); err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	d := fetch(t, b, Request{CacheDir: shared, Dir: own})
	wantTree(t, d.Dir, want)
	if !strings.HasPrefix(d.Dir, own) {
		t.Errorf("the dataset is in %s", d.Dir)
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

func TestWaitingJobReportsTheProgressOfTheOneThatFetches(t *testing.T) {
	file := filepath.Join(t.TempDir(), "progress.json")
	now := func() time.Time { return time.Unix(0, 0) }
	fetching := newMeter("dataset", nil, now)
	fetching.begin(100, 10).Bytes.Store(40)
	fetching.send(file)
	var seen contract.Transfer
	waiting := newMeter("dataset", func(p contract.Transfer) { seen = p }, now)
	waiting.relay(file)
	if seen.BytesDone != 40 || seen.BytesTotal != 100 || seen.FilesTotal != 10 || !seen.Waiting {
		t.Errorf("reported %+v", seen)
	}
	waiting.relay(file + "-that-is-not-there-yet")
	if seen != (contract.Transfer{What: "dataset", Waiting: true}) {
		t.Errorf("reported %+v", seen)
	}
}

func TestRateIsTakenOverTheLastReports(t *testing.T) {
	at := time.Unix(0, 0)
	m := newMeter("dataset", nil, func() time.Time { return at })
	p := m.begin(1<<30, 1)
	for range 20 {
		p.Bytes.Add(1000)
		at = at.Add(time.Second)
		m.read()
	}
	p.Bytes.Add(10_000)
	at = at.Add(time.Second)
	if got := m.read().BytesPerSecond; got != 2000 { // 8 × 1000 and 10,000 in 9 seconds
		t.Errorf("%d bytes a second", got)
	}
}

func FuzzImageNames(f *testing.F) {
	f.Add([]byte(shapes()["annotations.json"]))
	f.Add([]byte(`{"a":[{"images":[]}],"images":[{"file_name":1}]}`))
	f.Add([]byte(`{"images":[{}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := readImageNames(bytes.NewReader(b))
		if err == nil && len(names) > len(b) {
			t.Errorf("%d names out of %d bytes", len(names), len(b))
		}
	})
}
