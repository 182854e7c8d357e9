// Package dataset makes a dataset in the bucket (a zip object or a prefix of
// objects) or on disk into one unpacked, checked folder, and fetches pretrained
// weights.
//
// It promises that the folder is complete, that every byte was checked against
// the archive's CRC-32 or the store's ETag, that an interrupted fetch goes on at
// the file where it stopped, and that a failure says what is wrong with the
// dataset in one sentence. It leaves the meaning of the annotations to
// converters, and moving bytes to the store.
package dataset

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/dataset/ziptree"
	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
	"github.com/vision-platform/trainer-agent/converters/text"
)

// objects is what a dataset needs of a bucket.
type objects interface {
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
	List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error]
	URI(key string) string
}

// Request says which dataset to fetch, and to where.
type Request struct {
	ID         string // DATASET_ID
	SnapshotID string // SNAPSHOT_ID, or empty
	LocalPath  string // a folder or zip in place of the bucket's object
	LocalName  string // what a person gave it by; default DATASET_PATH

	Dir           string // folder of this job for what is fetched, for example $WORKSPACE_DIR/dataset
	CacheDir      string // shared by the jobs of a node; empty = keep it in Dir
	CacheMaxBytes int64  // of the shared cache; 0 = no limit
	CacheGuard    Guard

	Limits        ziptree.Limits
	AnnotatedOnly bool // of a prefix, fetch only the images that the annotations name
	Workers       int  // transfers at once; 0 = by cores and latency

	Progress func(contract.Transfer) // called about twice a second; may be nil
	Log      *slog.Logger            // nil discards

	// Replaceable for tests; the zero values are the machine's own.
	Now    func() time.Time
	Space  func(dir string) (Space, error)
	BootID func() string
}

// DefaultLimits are generous for datasets and tight for bombs.
var DefaultLimits = ziptree.Limits{MaxBytes: 2 << 40, MaxFiles: 10_000_000, MaxRatio: 200}

// Dataset is a fetched dataset in use. Close it when the job ends: only then may
// a shared cache remove it.
type Dataset struct {
	Dir    string // holds annotations.json and images/; read-only
	Source string // address, for people
	Key    string // of the zip, or the prefix
	ETag   string // version of the zip; of a prefix the hash of its listing

	Files  int64
	Bytes  int64
	Junk   int          // left out: __MACOSX, Thumbs.db, folder markers
	Cached bool         // nothing had to be fetched
	Local  bool         // a folder of the user's, used in place
	Names  text.Reading // names of the archive that are not UTF-8; not known of a cached one

	Snapshot
	entry *cache.Entry
}

// Snapshot is what a snapshot says of a dataset; zero without one.
type Snapshot struct {
	AnnotationsPath   string   // empty = the dataset's own
	AnnotationsSHA256 string   // of that file, hex
	Missing           []string // images that it names and the dataset lacks; at most maxMissing
	MissingCount      int
}

// Close ends the use of a cached dataset.
func (d *Dataset) Close() error { return d.entry.Close() }

// Fetch makes the dataset available below Dir or CacheDir.
func Fetch(ctx context.Context, store objects, req Request) (Dataset, error) {
	defer frugal()()
	f := newFetcher(store, req)
	data, err := f.fetch(ctx)
	if err != nil {
		return Dataset{}, err
	}
	if err := (frozen{f}).snapshot(ctx, &data); err != nil {
		return Dataset{}, errors.Join(err, data.Close())
	}
	return data, nil
}

// fetcher is one call of Fetch.
type fetcher struct {
	Request
	store   objects
	latency time.Duration // of one small request
	meter   *meter
}

func newFetcher(store objects, req Request) *fetcher {
	if req.Log == nil {
		req.Log = slog.New(slog.DiscardHandler)
	}
	if req.Now == nil {
		req.Now = time.Now
	}
	if req.Space == nil {
		req.Space = freeSpace
	}
	if req.BootID == nil {
		req.BootID = host.BootID
	}
	if req.Limits == (ziptree.Limits{}) {
		req.Limits = DefaultLimits
	}
	return &fetcher{Request: req, store: store, meter: newMeter("dataset", req.Progress, req.Now)}
}

// maxRestarts is how often a fetch begins again because the object was replaced
// while it was read.
const maxRestarts = 3

// changed is the failure of an object that did not stay as it was. Fetches begin again
// for it, and a job that is run again finds a bucket at rest.
func changed(address, what string) error {
	return contract.Failf(contract.CodeStorageError, "%s %s: %w", address, what, contract.ErrObjectChanged).
		WithHint("Something writes to it, or a proxy changes it: stop that, and run the job again.")
}

// unsteady is the failure of an object that changed at each try, in whatever words it
// comes; any other error stays as it is.
func unsteady(err error, address string) error {
	if _, told := errors.AsType[*contract.Failure](err); told || !errors.Is(err, contract.ErrObjectChanged) {
		return err
	}
	return changed(address, "was replaced each time that it was read")
}

func (f *fetcher) fetch(ctx context.Context) (Dataset, error) {
	if f.LocalPath != "" {
		return f.local(ctx)
	}
	for restart := 0; ; restart++ {
		data, err := f.remote(ctx)
		if !errors.Is(err, contract.ErrObjectChanged) || restart == maxRestarts {
			return data, unsteady(err, f.store.URI(contract.DatasetZipKey(f.ID)))
		}
		f.Log.Warn("the dataset was replaced while it was read; beginning again", "dataset", f.ID, "error", err)
	}
}

func (f *fetcher) remote(ctx context.Context) (Dataset, error) {
	key := contract.DatasetZipKey(f.ID)
	begin := f.Now()
	info, err := f.store.Stat(ctx, key)
	f.latency = f.Now().Sub(begin)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.prefix(ctx)
	case err != nil:
		return Dataset{}, err
	}
	return archive{f}.zip(ctx, info)
}

// unreadable says it of what a person typed.
func (f *fetcher) unreadable(err error) error {
	return contract.Failf(contract.CodeDatasetNotFound, "opening the dataset on disk: %w", err).
		WithHint("%s must be a folder or a zip that this machine can read.", cmp.Or(f.LocalName, "DATASET_PATH"))
}

// local uses a folder in place, and unpacks a zip like one from the bucket.
func (f *fetcher) local(ctx context.Context) (Dataset, error) {
	path, err := filepath.Abs(f.LocalPath)
	if err != nil {
		return Dataset{}, err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return Dataset{}, f.unreadable(err)
	}
	if fi.IsDir() {
		return Dataset{Dir: unwrap(path), Source: "file://" + path, Local: true}, nil
	}
	return archive{f}.localZip(ctx, path, fi)
}

// keeper uses the node's cache, or the job's own folder as one.
func (f *fetcher) keeper() *keeper {
	boot := f.BootID()
	k := &keeper{own: &cache.Cache{Dir: f.Dir, BootID: boot, Log: f.Log}, space: f.Space, meter: f.meter, log: f.Log}
	if f.CacheDir == "" {
		return k
	}
	return f.CacheGuard.keep(k, &cache.Cache{Dir: f.CacheDir, MaxBytes: f.CacheMaxBytes, Sealed: true, BootID: boot, Log: f.Log})
}

// workers is how many transfers run at once: a few a core while inflating and
// creating files is the work, more when a request mostly waits for the network.
func (f *fetcher) workers(perTransfer int) int {
	if f.Workers > 0 {
		return f.Workers
	}
	n := min(16, max(4, runtime.GOMAXPROCS(0)))
	if f.latency > 10*time.Millisecond {
		n *= 2
	}
	return n * perTransfer
}

// maxWrap is how many folders around a dataset are looked through.
const maxWrap = 3

// unwrap finds the dataset's top: archives are often made of the folder instead
// of its content. What file managers leave beside it does not count. A folder images
// or test is part of the layout.
func unwrap(dir string) string {
	top := dir
	for range maxWrap {
		entries := inside(top)
		if len(entries) != 1 || !entries[0].IsDir() || entries[0].Name() == "images" {
			break
		}
		below := filepath.Join(top, entries[0].Name())
		if layout.OnlySplit(entries[0].Name()) != "" && labelled(inside(below)) {
			break
		}
		top = below
	}
	return top
}

func inside(dir string) []fs.DirEntry {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return images.Junk(e.Name()) })
}

// labelled tells a split, with folders of classes or a file of labels, from a dataset
// that somebody called test: pictures alone, or the platform's annotations.
func labelled(entries []fs.DirEntry) bool {
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return platform.IsFile(e.Name()) }) {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() || filepath.Ext(e.Name()) == ".json" })
}

func (f *fetcher) notFound(prefix string) error {
	return contract.Failf(contract.CodeDatasetNotFound, "there is no dataset %q: neither %s nor anything below %s exists",
		f.ID, f.store.URI(contract.DatasetZipKey(f.ID)), f.store.URI(prefix)).
		WithHint("Check DATASET_ID and BUCKET_NAME, and that the upload of the dataset has finished.")
}
