// Package backend is the platform's backend for laptops and tests: it answers
// every callback of the contract's section 4 and remembers each of them.
//
// It promises to be stricter than the real one: a missing token, header or field,
// an unknown field or an impossible value is refused with a sentence that says
// so, and everything that arrived can be read back in order. Faults on demand
// make it fail in the ways networks and servers do. It leaves storage to package
// store and drawing to package page; what it remembers is bounded.
package backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Bounds of what is remembered. Past them the oldest goes, and is counted.
const (
	maxJobs         = 200
	maxCallsPerJob  = 20_000
	maxBytesPerJob  = 64 << 20
	maxBodyBytes    = 8 << 20
	maxFaults       = 100
	maxJournalBytes = 512 << 20
)

// Options configure a Backend.
type Options struct {
	Token string // the bearer token that callbacks must carry; required
	// Journal is a file to which every call is appended as a JSON line and from
	// which they are read back by New. Empty means memory only.
	Journal string
	// Mode says whether a larger or a smaller value of a metric is better; nil
	// means larger, except for losses and errors.
	Mode func(job, metric string) contract.MetricMode
	Now  func() time.Time // nil means time.Now
}

// Backend records callbacks. It is an http.Handler and safe for concurrent use.
type Backend struct {
	*records
	*faults
	token string
	now   func() time.Time
	mux   *http.ServeMux
	once  sync.Once
}

// New makes a Backend. It fails without a token, or when the journal cannot be
// opened or read.
func New(o Options) (*Backend, error) {
	if o.Token == "" {
		return nil, errors.New("starting the sandbox backend: no token given")
	}
	now, mode := o.Now, o.Mode
	if now == nil {
		now = time.Now
	}
	if mode == nil {
		mode = modeByName
	}
	b := &Backend{
		records: &records{mode: mode, closing: make(chan struct{}), jobs: map[string]*jobRecord{}, changed: make(chan struct{})},
		faults:  &faults{now: now}, token: o.Token, now: now,
	}
	if o.Journal != "" {
		if err := b.open(o.Journal); err != nil {
			return nil, fmt.Errorf("starting the sandbox backend: %w", err)
		}
	}
	b.mux = b.routes()
	return b, nil
}

func (b *Backend) routes() *http.ServeMux {
	mux := http.NewServeMux()
	control, streams := control{b.records, b.faults}, streams{b.records}
	for _, k := range contract.Kinds {
		mux.Handle("POST "+k.Pattern(), b.callback(k))
	}
	mux.HandleFunc("GET /_sandbox/jobs", control.listJobs)
	mux.HandleFunc("GET /_sandbox/jobs/{id}", control.showJob)
	mux.HandleFunc("GET /_sandbox/jobs/{id}/stream", streams.streamJob)
	mux.HandleFunc("GET /_sandbox/stream", streams.streamJobs)
	mux.HandleFunc("GET /_sandbox/faults", control.listFaults)
	mux.HandleFunc("POST /_sandbox/faults", control.postFault)
	mux.HandleFunc("DELETE /_sandbox/faults", control.deleteFaults)
	mux.HandleFunc("DELETE /_sandbox/faults/{id}", control.deleteFault)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux
}

// Paths are the patterns below which a Backend answers, for a ServeMux that
// serves more than this. The page has a few paths of its own below /_sandbox/.
func Paths() []string {
	return []string{"/api/", "/healthz", "/_sandbox/jobs", "/_sandbox/jobs/", "/_sandbox/stream", "/_sandbox/faults", "/_sandbox/faults/"}
}

// ServeHTTP answers callbacks and the /_sandbox paths.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// Close ends streams, delays and hanging answers and closes the journal. The
// server in front of the Backend is its caller's.
func (b *Backend) Close() error {
	var err error
	b.once.Do(func() {
		close(b.closing)
		err = b.close()
	})
	return err
}

// modeByName takes losses and errors as better when smaller.
func modeByName(_, metric string) contract.MetricMode {
	name := strings.ToLower(metric)
	for _, small := range []string{"loss", "error", "mae", "rmse", "perplexity"} {
		if strings.Contains(name, small) {
			return contract.MetricMin
		}
	}
	return contract.MetricMax
}
