package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/dataset/ziptree"
	"github.com/vision-platform/trainer-agent/contract"
)

// object is an archive in the bucket, pinned to one version.
type object struct {
	store objects
	info  contract.ObjectInfo
}

func (o object) Size() int64    { return o.info.Size }
func (o object) String() string { return o.store.URI(o.info.Key) }

func (o object) Range(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, _, err := o.store.Get(ctx, o.info.Key, offset, length, o.info.ETag)
	return r, err
}

// archive is a fetch of a dataset that is one zip.
type archive struct{ *fetcher }

func (f archive) zip(ctx context.Context, info contract.ObjectInfo) (Dataset, error) {
	uri := f.store.URI(info.Key)
	data, err := f.unpack(ctx, cache.ID(uri, info.ETag, fmt.Sprint(info.Size)), object{f.store, info})
	data.Source, data.Key, data.ETag = uri, info.Key, info.ETag
	return data, err
}

func (f archive) localZip(ctx context.Context, path string, fi fs.FileInfo) (Dataset, error) {
	file, err := os.Open(path)
	if err != nil {
		return Dataset{}, f.unreadable(err)
	}
	defer func() { _ = file.Close() }()
	etag := fmt.Sprintf("%x-%x", fi.Size(), fi.ModTime().UnixNano())
	data, err := f.unpack(ctx, cache.ID(path, etag), ziptree.FromReaderAt(file, fi.Size(), path))
	data.Source, data.ETag = "file://"+path, etag
	return data, err
}

func (f archive) unpack(ctx context.Context, id string, src ziptree.Source) (Dataset, error) {
	var d *ziptree.Directory
	keeper := f.keeper()
	entry, fill, err := keeper.begin(ctx, id)
	for fill != nil {
		var contents cache.Contents
		if d, err = f.extractInto(ctx, fill, src); err == nil {
			contents = cache.Contents{Source: src.String(), Bytes: d.Bytes, Files: int64(d.Files()), Each: d.Each}
		}
		entry, fill, err = keeper.commit(ctx, fill, contents, err)
	}
	if err != nil {
		return Dataset{}, err
	}
	data := Dataset{Dir: unwrap(entry.Dir), Files: entry.Files, Bytes: entry.Bytes, Cached: !entry.Fresh, entry: entry}
	if d != nil {
		data.Junk, data.Names = d.Junk, d.Names
	}
	return data, nil
}

func (f archive) extractInto(ctx context.Context, fill *filling, src ziptree.Source) (*ziptree.Directory, error) {
	d, err := f.extract(ctx, fill, src)
	if errors.Is(err, contract.ErrNoRanges) {
		f.Log.Warn("the store does not serve ranges; the archive is stored first", "archive", src.String())
		d, err = f.extractStored(ctx, fill, src)
	}
	return d, err
}

func (f archive) extract(ctx context.Context, fill *filling, src ziptree.Source) (*ziptree.Directory, error) {
	d, err := ziptree.ReadDirectory(ctx, src, f.Limits)
	if err != nil {
		return nil, err
	}
	allow(int64(d.Files()))
	dest, resumed, err := tree.Create(fill.Data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dest.Close() }()
	if err := f.makeRoom(fill, d.Bytes, int64(d.Files())+d.Folders); err != nil {
		return nil, err
	}
	if err := dest.MakeDirs(d.Dirs()); err != nil {
		return nil, err
	}
	progress := f.meter.begin(d.Packed, int64(d.Files()))
	return d, d.Extract(ctx, dest, ziptree.Options{Workers: f.workers(1), Resumed: resumed, Progress: progress})
}

// extractStored is for servers without ranges: the archive is stored beside the
// folder, unpacked and removed.
func (f archive) extractStored(ctx context.Context, fill *filling, src ziptree.Source) (*ziptree.Directory, error) {
	if err := os.MkdirAll(fill.Data, 0o755); err != nil {
		return nil, tree.Explain(fill.Data, err)
	}
	if err := f.makeRoom(fill, src.Size(), 1); err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(fill.Data), "object.zip")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, tree.Explain(path, err)
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(path)
	}()
	r, err := src.Range(ctx, 0, src.Size())
	if err != nil {
		return nil, err
	}
	progress := f.meter.begin(src.Size(), 0)
	_, err = io.Copy(file, io.TeeReader(r, progressWriter{progress}))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, tree.Explain(path, err)
	}
	return f.extract(ctx, fill, ziptree.FromReaderAt(file, src.Size(), src.String()))
}

type progressWriter struct{ p *tree.Progress }

func (w progressWriter) Write(b []byte) (int, error) {
	w.p.Bytes.Add(int64(len(b)))
	return len(b), nil
}
