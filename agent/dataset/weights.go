package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/contract"
)

// WeightsRequest says which pretrained weights to fetch, and to where.
type WeightsRequest struct {
	URL      string       // PRETRAINED_WEIGHT_URL: presigned, so its query is a secret
	Dir      string       // of this job, for example $WORKSPACE_DIR/weights
	CacheDir string       // shared by the jobs of a node, in its folder weights; empty = Dir
	Client   *http.Client // with the store's proxies and CA; nil = http.DefaultClient
	MaxBytes int64        // 0 = 64 GiB
	Attempts int          // connections tried, default 6
	Backoff  time.Duration
	Progress func(contract.Transfer)
	Log      *slog.Logger
	Now      func() time.Time
}

const defaultMaxWeights = 64 << 30

// FetchWeights downloads pretrained weights and returns their path. The file has
// the name in the URL, because frameworks choose a loader by its extension. What
// is in the cache under the same address and ETag is not downloaded again; what
// broke off is resumed at the byte.
func FetchWeights(ctx context.Context, req WeightsRequest) (string, error) {
	req = req.withDefaults()
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", contract.Failf(contract.CodeWeightsUnavailable, "PRETRAINED_WEIGHT_URL is not an http(s) address").
			WithHint("Give a presigned URL of the weights' file.")
	}
	w := &weights{WeightsRequest: req, url: u, meter: newMeter("weights", req.Progress, req.Now)}
	stop := w.meter.start("")
	defer stop()
	return w.fetch(ctx)
}

func (r WeightsRequest) withDefaults() WeightsRequest {
	if r.CacheDir == "" {
		r.CacheDir = r.Dir
	} else {
		r.CacheDir = filepath.Join(r.CacheDir, "weights")
	}
	if r.Client == nil {
		r.Client = http.DefaultClient
	}
	if r.MaxBytes <= 0 {
		r.MaxBytes = defaultMaxWeights
	}
	if r.Attempts <= 0 {
		r.Attempts = 6
	}
	if r.Backoff <= 0 {
		r.Backoff = time.Second
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	return r
}

// weights is one download.
type weights struct {
	WeightsRequest
	url   *url.URL
	meter *meter

	part *os.File // what has arrived
	have int64
	size int64 // -1 until it is known
	etag string
}

// name is the address without its secret half.
func (w *weights) name() string {
	return (&url.URL{Scheme: w.url.Scheme, Host: w.url.Host, Path: w.url.Path}).String()
}

// base is the file's name: the last part of the path, made harmless.
func (w *weights) base() string {
	base := path.Base(path.Clean("/" + w.url.Path))
	if base == "/" || strings.HasPrefix(base, ".") || tree.Junk(base) {
		return "weights.pt"
	}
	if clean, err := tree.Clean(base); err != nil || strings.Contains(clean, "/") {
		return "weights.pt"
	}
	return base
}

// final is where this version of the file stays: the ETag is part of the folder.
func (w *weights) final() string {
	sum := sha256.Sum256([]byte(w.url.Host + w.url.Path + "\n" + w.etag))
	return filepath.Join(w.CacheDir, hex.EncodeToString(sum[:16]), w.base())
}

func (w *weights) fetch(ctx context.Context) (string, error) {
	w.size = -1
	if err := os.MkdirAll(w.CacheDir, 0o755); err != nil {
		return "", tree.Explain(w.CacheDir, err)
	}
	part, err := os.CreateTemp(w.CacheDir, ".incoming-*")
	if err != nil {
		return "", tree.Explain(w.CacheDir, err)
	}
	w.part = part
	defer func() {
		_ = part.Close()
		_ = os.Remove(part.Name())
	}()
	for attempt := 1; ; attempt++ {
		cached, err := w.try(ctx)
		switch {
		case err == nil && cached:
			return w.final(), nil
		case err == nil:
			return w.keep()
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		}
		if f, final := errors.AsType[*contract.Failure](err); final {
			return "", f
		}
		if attempt >= w.Attempts {
			return "", contract.Failf(contract.CodeWeightsUnavailable, "downloading %s: %w", w.name(), w.masked(err)).
				WithHint("Check that the address is reachable from the node.")
		}
		w.Log.Debug("the download of the weights broke off and goes on", "byte", w.have, "error", w.masked(err))
		if err := pause(ctx, w.Backoff<<min(attempt-1, 5)); err != nil {
			return "", err
		}
	}
}

// try makes one request, from the byte that was reached.
func (w *weights) try(ctx context.Context) (cached bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL, nil)
	if err != nil {
		return false, err
	}
	if w.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", w.have))
		if w.etag != "" && !strings.HasPrefix(w.etag, "W/") {
			req.Header.Set("If-Range", w.etag)
		}
	}
	resp, err := w.Client.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := w.accept(resp); err != nil {
		return false, err
	}
	if _, err := os.Lstat(w.final()); err == nil && w.have == 0 && w.etag != "" {
		return true, nil
	}
	return false, w.read(resp.Body)
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
		w.size = total
		return nil
	case http.StatusOK:
		w.have, w.size, w.etag = 0, resp.ContentLength, resp.Header.Get("ETag")
	case http.StatusRequestedRangeNotSatisfiable:
		w.have = 0
		return errors.New("the server refused to resume")
	default:
		return w.refused(resp)
	}
	if w.size > w.MaxBytes {
		return contract.Failf(contract.CodeWeightsUnavailable, "the weights at %s have %s; the limit is %s", w.name(), human(w.size), human(w.MaxBytes))
	}
	free, err := freeSpace(w.CacheDir)
	if err == nil && w.size > free.Bytes {
		return contract.Failf(contract.CodeDiskFull, "the weights need %s in %s, and %s is free", human(w.size), w.CacheDir, human(free.Bytes)).
			WithHint("Give the workspace a larger volume.")
	}
	return nil
}

func (w *weights) read(body io.Reader) error {
	progress := w.meter.begin(w.size, 1)
	progress.Bytes.Store(w.have)
	limit := w.MaxBytes + 1 - w.have
	n, err := io.Copy(io.MultiWriter(io.NewOffsetWriter(w.part, w.have), progressWriter{progress}), io.LimitReader(body, limit))
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

// keep checks the file and gives it its place.
func (w *weights) keep() (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	final := w.final()
	err := errors.Join(w.part.Truncate(w.have), w.part.Chmod(0o444), os.MkdirAll(filepath.Dir(final), 0o755))
	if err == nil {
		err = os.Rename(w.part.Name(), final)
	}
	return final, tree.Explain(final, err)
}

// check refuses what answers like a file and is none.
func (w *weights) check() error {
	head := make([]byte, 512)
	n, _ := w.part.ReadAt(head[:min(512, w.have)], 0)
	head = bytes.TrimSpace(head[:n])
	what := ""
	switch lower := bytes.ToLower(head); {
	case w.have == 0:
		what = "an empty file"
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		what = "a web page"
	case bytes.HasPrefix(lower, []byte("<?xml")), bytes.HasPrefix(lower, []byte("<error")):
		what = "an XML message"
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		what = "a Git LFS pointer"
	case bytes.HasPrefix(head, []byte(`{"`)) && !strings.HasSuffix(w.base(), ".json"):
		what = "a JSON message"
	}
	if what != "" {
		return contract.Failf(contract.CodeWeightsUnavailable, "%s gave %s in place of weights", w.name(), what).
			WithHint("Upload the weights' own file and presign its address.")
	}
	return nil
}

func (w *weights) masked(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err // its text would show the query
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
