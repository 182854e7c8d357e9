package dataset

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// prefix fetches a dataset that lies in the bucket as a folder of objects.
func (f *fetcher) prefix(ctx context.Context) (Dataset, error) {
	prefix := contract.DatasetPrefix(f.ID)
	uri := f.store.URI(prefix)
	l, err := f.list(ctx, prefix)
	if err != nil {
		return Dataset{}, err
	}
	if len(l.items) == 0 {
		return Dataset{}, f.notFound(prefix)
	}
	if f.AnnotatedOnly {
		if err := (byName{f}).onlyAnnotated(ctx, l); err != nil {
			return Dataset{}, err
		}
	}
	if err := l.finish(uri, f.Limits); err != nil {
		return Dataset{}, err
	}
	id := l.hash()
	keeper := f.keeper()
	entry, fill, err := keeper.begin(ctx, cache.ID(uri, id))
	for fill != nil {
		err = f.fetchItems(ctx, fill, l)
		contents := cache.Contents{Source: uri, Bytes: l.bytes, Files: int64(len(l.items)), Each: l.each}
		entry, fill, err = keeper.commit(ctx, fill, contents, err)
	}
	if err != nil {
		return Dataset{}, err
	}
	return Dataset{
		Dir: unwrap(entry.Dir), Source: uri, Key: prefix, ETag: id, Files: entry.Files, Bytes: entry.Bytes,
		Junk: l.junk, Cached: !entry.Fresh, entry: entry,
	}, nil
}

func (l *listing) each(f func(string, int64, uint32) error) error {
	for i := range l.items {
		if err := f(l.items[i].path, l.items[i].size, l.items[i].crc); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetcher) fetchItems(ctx context.Context, fill *filling, l *listing) error {
	allow(int64(len(l.items)))
	dest, resumed, err := tree.Create(fill.Data)
	if err != nil {
		return err
	}
	defer func() { _ = dest.Close() }()
	if err := f.makeRoom(fill, l.bytes, int64(len(l.items))+l.folders); err != nil {
		return err
	}
	if err := dest.MakeDirs(l.dirs); err != nil {
		return err
	}
	progress := f.meter.begin(l.bytes, int64(len(l.items)))
	var next atomic.Int64
	var notMD5 atomic.Bool
	g, ctx := crew.WithContext(ctx)
	for range min(f.workers(objectsPerWorker), len(l.items)) {
		g.Go(func() error {
			w := &prefixWorker{f: f, l: l, out: dest.NewWriter(ctx), progress: progress, notMD5: &notMD5, md5: md5.New()}
			defer w.out.Close()
			for {
				i := int(next.Add(1) - 1)
				if i >= len(l.items) {
					return nil
				}
				if err := w.item(ctx, &l.items[i], resumed); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// objectsPerWorker is how many times more transfers of single objects run at
// once than of long ranges: a small object is mostly waiting.
const objectsPerWorker = 4

type prefixWorker struct {
	f        *fetcher
	l        *listing
	out      *tree.Writer
	progress *tree.Progress
	notMD5   *atomic.Bool // the store's ETags turned out to be no MD5s
	md5      hash.Hash
}

func (w *prefixWorker) item(ctx context.Context, it *item, resumed bool) error {
	if resumed && w.has(it) {
		w.progress.Bytes.Add(it.size)
		w.progress.Files.Add(1)
		return nil
	}
	sum, err := w.get(ctx, it)
	if err == nil {
		err = w.verify(ctx, it, sum)
	}
	if err != nil {
		return err
	}
	w.progress.Files.Add(1)
	return nil
}

// has finds a file of an interrupted fetch. Only one whose content can be
// checked counts.
func (w *prefixWorker) has(it *item) bool {
	want, ok := it.tag.md5()
	if !ok {
		return false
	}
	w.md5.Reset()
	crc, there := w.out.Sum(it.dir, path.Base(it.path), it.size, w.md5)
	it.crc = crc
	return there && [16]byte(w.md5.Sum(nil)) == want
}

func (w *prefixWorker) get(ctx context.Context, it *item) (sum [16]byte, err error) {
	r, info, err := w.f.store.Get(ctx, w.l.prefix+it.key, 0, -1, it.tag.String())
	uri := w.f.store.URI(w.l.prefix + it.key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sum, changed(uri, "is gone, which the listing has")
	case errors.Is(err, contract.ErrObjectChanged):
		return sum, changed(uri, "is another version than the listing has")
	case err != nil:
		return sum, err
	}
	defer func() { _ = r.Close() }()
	if info.Size != it.size {
		return sum, changed(uri, fmt.Sprintf("has %d bytes, and %d in the listing", info.Size, it.size))
	}
	w.md5.Reset()
	it.crc, err = w.out.Write(it.dir, path.Base(it.path), it.size, io.TeeReader(r, io.MultiWriter(w.md5, progressWriter{w.progress})))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tree.ErrTooLong):
		err = changed(uri, "has another length than the listing says")
	case errors.Is(err, contract.ErrObjectChanged):
		err = changed(uri, "was replaced while it was read")
	}
	return [16]byte(w.md5.Sum(nil)), err
}

// verify compares with the ETag. Where that is no MD5 (KMS encryption), a second
// download with the same result proves the bytes, and the rest is not compared.
func (w *prefixWorker) verify(ctx context.Context, it *item, sum [16]byte) error {
	want, ok := it.tag.md5()
	if !ok || sum == want || w.notMD5.Load() {
		return nil
	}
	again, err := w.get(ctx, it)
	switch {
	case err != nil:
		return err
	case again == want:
		return nil
	case again == sum:
		w.f.Log.Info("the store's ETags are no MD5s; sizes alone are checked", "object", it.key)
		w.notMD5.Store(true)
		return nil
	}
	return contract.Failf(contract.CodeStorageError, "%s arrives different every time it is read", w.f.store.URI(w.l.prefix+it.key)).
		WithHint("The network or the store damages data; look at both.")
}
