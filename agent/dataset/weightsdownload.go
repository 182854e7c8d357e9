package dataset

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

// errFromStart: what has arrived cannot be gone on with.
var errFromStart = errors.New("the file is read from its start again")

// open begins to read the file.
func (w *weights) open(ctx context.Context) (err error) {
	w.body, _, err = download.Open(ctx, w, "", 0, -1, "", download.Options{Name: w.name(), Again: w.again})
	return err
}

func (w *weights) hangUp() {
	if w.body != nil {
		_ = w.body.Close()
		w.body = nil
	}
}

// again waits before another connection, or says that there is none.
func (w *weights) again(ctx context.Context, b download.Break) error {
	if errors.Is(b.Err, errFromStart) {
		return b.Err // the break before it was counted
	}
	w.tries++
	if w.tries >= w.Attempts {
		return contract.Failf(contract.CodeWeightsUnavailable, "downloading %s: %w", w.name(), w.masked(b.Err)).
			WithHint("Check that the address is reachable from the node.")
	}
	w.Log.Debug("the download of the weights broke off and goes on", "byte", b.At, "error", w.masked(b.Err))
	if err := backoff.Wait(ctx, w.Backoff<<min(w.tries-1, 5)); err != nil {
		return err
	}
	if w.validator == "" && b.At > 0 {
		return errFromStart
	}
	return nil
}

// Get makes one connection, to the version that is read if there is one already. It
// is a download.Source.
func (w *weights) Get(ctx context.Context, _ string, offset, _ int64, _ string) (io.ReadCloser, contract.ObjectInfo, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL, nil)
	if err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		req.Header.Set("If-Range", w.validator)
	}
	resp, err := w.Client.Do(req)
	if err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	if err := w.accept(resp, offset); err != nil {
		_ = resp.Body.Close()
		return nil, contract.ObjectInfo{}, err
	}
	return resp.Body, contract.ObjectInfo{Size: w.size, ETag: w.etag}, nil
}

// accept looks at the head of the answer to a read from offset.
func (w *weights) accept(resp *http.Response, offset int64) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var first, last, total int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); err != nil || first != offset {
			return startOver(offset, fmt.Errorf("the server answered with the range %q", resp.Header.Get("Content-Range")))
		}
		if !w.sameVersion(resp.Header) || w.size >= 0 && total != w.size { // a server may ignore If-Range
			return contract.ErrObjectChanged
		}
		w.size = total
		return nil
	case http.StatusOK:
		etag := resp.Header.Get("ETag")
		if w.pinned && etag != w.etag {
			return contract.ErrObjectChanged
		}
		if offset > 0 {
			return errFromStart // the whole file, in place of its rest
		}
		w.size, w.etag, w.validator = resp.ContentLength, etag, strongValidator(resp.Header)
	case http.StatusRequestedRangeNotSatisfiable:
		return startOver(offset, errors.New("the server refused to resume"))
	default:
		return w.refused(resp)
	}
	if w.size > w.MaxBytes {
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights at %s have %s; the limit is %s", w.name(), human(w.size), human(w.MaxBytes))
	}
	return nil
}

// startOver makes an answer to a read from the middle the end of that read.
func startOver(offset int64, err error) error {
	if offset == 0 {
		return err
	}
	return errors.Join(errFromStart, err)
}

// strongValidator is what tells one version of a file from every other (RFC 9110,
// 8.8.1 and 8.8.2.2): an ETag that is not weak or, where there is none, a
// Last-Modified that was over when the answer was made. Empty is none, and parts of
// two answers may then be of two versions.
func strongValidator(h http.Header) string {
	if etag := h.Get("ETag"); etag != "" {
		if strings.HasPrefix(etag, "W/") {
			return ""
		}
		return etag
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	if answered, err := http.ParseTime(h.Get("Date")); err != nil || answered.Sub(modified) < time.Second {
		return ""
	}
	return h.Get("Last-Modified")
}

// sameVersion reports whether the head of a part says nothing else than that of the
// file.
func (w *weights) sameVersion(h http.Header) bool {
	if etag := h.Get("ETag"); etag != "" || w.etag != "" {
		return etag == "" || etag == w.etag
	}
	modified := h.Get("Last-Modified")
	return modified == "" || modified == w.validator
}

// download fills the entry's folder.
func (w *weights) download(ctx context.Context, fill *filling) (cache.Contents, error) {
	data := fill.Data
	if err := os.MkdirAll(data, 0o755); err != nil {
		return cache.Contents{}, tree.Explain(data, err)
	}
	need := max(0, w.size)
	free, err := fill.room(need, w.Space)
	if err != nil {
		return cache.Contents{}, err
	}
	if need > free.Bytes {
		return cache.Contents{}, contract.Failf(contract.CodeDiskFull, "the weights need %s in %s, and %s is free", human(need), fill.cache.Dir, human(free.Bytes)).
			WithHint("Give the workspace a larger volume.")
	}
	path := filepath.Join(data, w.base())
	_ = os.Remove(path) // what an earlier fill left is of no known version, and read-only
	if w.part, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return cache.Contents{}, tree.Explain(path, err)
	}
	err = w.receive(ctx)
	if err == nil {
		err = w.check()
	}
	if err == nil {
		err = errors.Join(w.part.Truncate(w.have), w.part.Chmod(0o444))
	}
	if err = errors.Join(err, w.part.Close()); err != nil {
		_ = os.Remove(path)
		return cache.Contents{}, tree.Explain(path, err)
	}
	return cache.Contents{Source: w.name(), Bytes: w.have, Files: 1, Each: func(each func(string, int64, uint32) error) error {
		return each(w.base(), w.have, w.sum)
	}}, nil
}

// receive reads the file to its end.
func (w *weights) receive(ctx context.Context) error {
	for {
		if w.body == nil {
			if err := w.open(ctx); err != nil {
				return err
			}
		}
		err := w.read(w.body)
		w.hangUp()
		if !errors.Is(err, errFromStart) {
			return err
		}
	}
}

func (w *weights) read(body io.Reader) (err error) {
	progress := w.meter.begin(w.size, 1)
	w.sum = 0
	w.have, err = io.Copy(io.MultiWriter(io.NewOffsetWriter(w.part, 0), progressWriter{progress}, summer{w}), io.LimitReader(body, w.MaxBytes+1))
	if w.have > w.MaxBytes {
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights at %s are larger than %s", w.name(), human(w.MaxBytes))
	}
	return err
}

// summer keeps the checksum of what has arrived.
type summer struct{ w *weights }

func (s summer) Write(b []byte) (int, error) {
	s.w.sum = crc32.Update(s.w.sum, crc32.IEEETable, b)
	return len(b), nil
}
