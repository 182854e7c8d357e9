package page

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxEntry bounds one file read from a dataset.
const maxEntry = 64 << 20 // bytes

// archives remembers the directory of the dataset that was looked at last, so
// that a dozen thumbnails do not read it a dozen times.
type archives struct {
	mu   sync.Mutex
	etag string
	last *archive
}

// archive is a zip in the bucket, read by ranges.
type archive struct {
	files map[string]*zip.File // by path
	names map[string]string    // path by last element, the first one met
}

// open returns the dataset's archive. A dataset without one is fs.ErrNotExist.
func (h *handler) open(ctx context.Context, dataset string) (*archive, error) {
	key := contract.DatasetZipKey(dataset)
	head, err := h.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(h.bucket), Key: aws.String(key)})
	if _, absent := errors.AsType[*types.NotFound](err); absent {
		return nil, fmt.Errorf("dataset %q: %w", dataset, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	etag := key + aws.ToString(head.ETag)
	h.archives.mu.Lock()
	defer h.archives.mu.Unlock()
	if h.archives.etag == etag {
		return h.archives.last, nil
	}
	size := aws.ToInt64(head.ContentLength)
	// The reader outlives this request, so it must not end with its context.
	z, err := zip.NewReader(&objectReader{context.WithoutCancel(ctx), h, key, size}, size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	a := &archive{files: map[string]*zip.File{}, names: map[string]string{}}
	for _, f := range z.File {
		if f.Mode().IsRegular() {
			a.files[f.Name] = f
			if base := path.Base(f.Name); a.names[base] == "" {
				a.names[base] = f.Name
			}
		}
	}
	h.archives.etag, h.archives.last = etag, a
	return a, nil
}

// read returns a file by its path, the path below images/, or its last element,
// which is all that a prepared dataset may have kept of it.
func (a *archive) read(name string) ([]byte, error) {
	f := a.files[name]
	for _, other := range []string{"images/" + name, a.names[path.Base(name)]} {
		if f == nil {
			f = a.files[other]
		}
	}
	if f == nil {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	if err == nil && len(body) > maxEntry {
		err = fmt.Errorf("%q is larger than %d bytes", name, maxEntry)
	}
	return body, err
}

// annotations finds the annotation file for the samples: the plain one, else any.
func (a *archive) annotations() ([]byte, error) {
	best := a.names["annotations.json"]
	for name := range a.files {
		if best == "" && strings.HasPrefix(path.Base(name), "annotations") && path.Ext(name) == ".json" {
			best = name
		}
	}
	return a.read(best)
}

// objectReader reads an object by ranges.
type objectReader struct {
	ctx  context.Context
	h    *handler
	key  string
	size int64 // bytes
}

// ReadAt reads one range.
func (o *objectReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= o.size {
		return 0, io.EOF
	}
	end := min(off+int64(len(p)), o.size)
	out, err := o.h.client.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket: aws.String(o.h.bucket), Key: aws.String(o.key), Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, end-1)),
	})
	if err != nil {
		return 0, err
	}
	defer out.Body.Close()
	n, err := io.ReadFull(out.Body, p[:end-off])
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}
