package dataset

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
)

// connect asks for the file from the byte that was reached, and asks again where
// that may help.
func (w *weights) connect(ctx context.Context) error {
	for {
		err := w.request(ctx)
		if err == nil || errors.Is(err, contract.ErrObjectChanged) {
			return err
		}
		if err := w.again(ctx, err); err != nil {
			return err
		}
	}
}

// again waits before another try, or says that there is none.
func (w *weights) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f, final := errors.AsType[*contract.Failure](err); final {
		return f
	}
	w.tries++
	if w.tries >= w.Attempts {
		return contract.Failf(contract.CodeWeightsUnavailable, "downloading %s: %w", w.name(), w.masked(err)).
			WithHint("Check that the address is reachable from the node.")
	}
	if w.validator == "" {
		w.have, w.sum = 0, 0
	}
	w.Log.Debug("the download of the weights broke off and goes on", "byte", w.have, "error", w.masked(err))
	return backoff.Wait(ctx, w.Backoff<<min(w.tries-1, 5))
}

func (w *weights) request(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL, nil)
	if err != nil {
		return err
	}
	if w.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", w.have))
		req.Header.Set("If-Range", w.validator)
	}
	resp, err := w.Client.Do(req)
	if err != nil {
		return err
	}
	if err := w.accept(resp); err != nil {
		return errors.Join(err, resp.Body.Close())
	}
	w.body = resp.Body
	return nil
}

func (w *weights) hangUp() {
	if w.body != nil {
		_ = w.body.Close()
		w.body = nil
	}
}

// accept looks at the answer's head. An answer with the whole file starts over.
func (w *weights) accept(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var first, last, total int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); err != nil || first != w.have {
			w.have = 0
			return fmt.Errorf("the server answered with the range %q", resp.Header.Get("Content-Range"))
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
		w.have, w.sum, w.size, w.etag, w.validator = 0, 0, resp.ContentLength, etag, strongValidator(resp.Header)
	case http.StatusRequestedRangeNotSatisfiable:
		w.have = 0
		return errors.New("the server refused to resume")
	default:
		return w.refused(resp)
	}
	if w.size > w.MaxBytes {
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights at %s have %s; the limit is %s", w.name(), human(w.size), human(w.MaxBytes))
	}
	return nil
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
	w.have, w.sum = 0, 0
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

// receive reads the file to its end, over as many connections as it takes.
func (w *weights) receive(ctx context.Context) error {
	for {
		if w.body == nil {
			if err := w.connect(ctx); err != nil {
				return err
			}
		}
		err := w.read(w.body)
		w.hangUp()
		if err == nil {
			return nil
		}
		if err := w.again(ctx, err); err != nil {
			return err
		}
	}
}

func (w *weights) read(body io.Reader) error {
	progress := w.meter.begin(w.size, 1)
	progress.Bytes.Store(w.have)
	limit := w.MaxBytes + 1 - w.have
	n, err := io.Copy(io.MultiWriter(io.NewOffsetWriter(w.part, w.have), progressWriter{progress}, summer{w}), io.LimitReader(body, limit))
	w.have += n
	switch {
	case n == limit:
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights at %s are larger than %s", w.name(), human(w.MaxBytes))
	case err != nil:
		if explained := tree.Explain(w.part.Name(), err); errors.As(explained, new(*contract.Failure)) {
			return explained
		}
		return err
	case w.size >= 0 && w.have < w.size:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// summer keeps the checksum of what has arrived.
type summer struct{ w *weights }

func (s summer) Write(b []byte) (int, error) {
	s.w.sum = crc32.Update(s.w.sum, crc32.IEEETable, b)
	return len(b), nil
}

func (w *weights) masked(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err // its text would show the query
	}
	return err
}
