package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/contract"
)

// WeightsRequest says which pretrained weights to fetch, and to where.
type WeightsRequest struct {
	URL           string // PRETRAINED_WEIGHT_URL: presigned, so its query is a secret
	Dir           string // of this job, for example $WORKSPACE_DIR/weights
	CacheDir      string // shared by the jobs of a node; empty = Dir
	CacheMaxBytes int64  // of the shared cache; 0 = no limit
	CacheGuard    Guard
	Client        *http.Client // with the store's proxies and CA; nil = http.DefaultClient
	MaxBytes      int64        // 0 = 64 GiB
	Attempts      int          // connections tried, default 6
	Backoff       time.Duration
	Progress      func(contract.Transfer)
	Log           *slog.Logger
	Now           func() time.Time

	// Replaceable for tests; the zero values are the machine's own.
	Space  func(dir string) (Space, error)
	BootID func() string
}

// Weights are pretrained weights in use. Close them when the job ends: only then
// may a shared cache remove them.
type Weights struct {
	Path   string
	Cached bool // nothing had to be fetched

	entry *cache.Entry
}

// Close ends the use of cached weights.
func (w *Weights) Close() error { return w.entry.Close() }

const defaultMaxWeights = 64 << 30

// FetchWeights downloads pretrained weights. The file has the name in the URL,
// because frameworks choose a loader by its extension. What is in the cache under
// the same address and ETag is not downloaded again; what broke off is resumed at
// the byte if a strong validator tells that it is the same version still, and begun
// again if there is none. An answer without an ETag is kept for this job only.
func FetchWeights(ctx context.Context, req WeightsRequest) (Weights, error) {
	req = req.withDefaults()
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return Weights{}, contract.Failf(contract.CodeWeightsUnavailable, "PRETRAINED_WEIGHT_URL is not an http(s) address").
			WithHint("Give a presigned URL of the weights' file.")
	}
	w := &weights{WeightsRequest: req, address: address{u, req.Now}, meter: newMeter("weights", req.Progress, req.Now)}
	for restart := 0; ; restart++ {
		got, err := w.fetch(ctx)
		if !errors.Is(err, contract.ErrObjectChanged) || restart == maxRestarts {
			return got, unsteady(err, w.name())
		}
		req.Log.Warn("the weights were replaced while they were read; beginning again", "weights", w.name())
	}
}

func (r WeightsRequest) withDefaults() WeightsRequest {
	if r.Client == nil {
		r.Client = http.DefaultClient
	}
	// The address is a secret, and its signature is for this host alone.
	client := *r.Client
	client.CheckRedirect = httpx.SameHost
	r.Client = &client
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
	if r.Space == nil {
		r.Space = freeSpace
	}
	if r.BootID == nil {
		r.BootID = host.BootID
	}
	return r
}

// weights is one download.
type weights struct {
	WeightsRequest
	address
	meter *meter

	body   io.ReadCloser // of the file, over as many connections as it takes; nil between two reads
	tries  int           // connections that failed
	pinned bool          // to etag: another version is another entry
	part   *os.File      // what has arrived
	have   int64
	sum    uint32 // CRC-32 of it
	size   int64  // -1 until it is known
	etag   string
	// validator is the strong one of the version that is read, for If-Range; without
	// one nothing is resumed.
	validator string
}

// fetch asks for the file and finds or makes the cache's entry for the version
// that answers.
func (w *weights) fetch(ctx context.Context) (Weights, error) {
	w.pinned, w.size, w.etag, w.validator = false, -1, "", ""
	if err := w.open(ctx); err != nil {
		return Weights{}, err
	}
	defer w.hangUp()
	if err := w.checkHead(); err != nil {
		return Weights{}, err
	}
	w.pinned = true
	keeper, version := w.keeper(), w.etag
	if version == "" {
		version = fmt.Sprint(w.Now().UnixNano()) // never found again
	}
	entry, fill, err := keeper.begin(ctx, cache.ID("weights", w.name(), version))
	for fill != nil {
		var contents cache.Contents
		contents, err = w.download(ctx, fill)
		entry, fill, err = keeper.commit(ctx, fill, contents, err)
	}
	if err != nil {
		return Weights{}, err
	}
	return Weights{Path: filepath.Join(entry.Dir, w.base()), Cached: !entry.Fresh, entry: entry}, nil
}

// keeper uses the node's cache for weights that have a version.
func (w *weights) keeper() *keeper {
	boot := w.BootID()
	k := &keeper{own: &cache.Cache{Dir: w.Dir, BootID: boot, Log: w.Log}, space: w.Space, meter: w.meter, log: w.Log}
	if w.CacheDir == "" || w.etag == "" {
		return k
	}
	return w.CacheGuard.keep(k, &cache.Cache{Dir: w.CacheDir, MaxBytes: w.CacheMaxBytes, Sealed: true, BootID: boot, Log: w.Log})
}
