package relay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Bounds of what one child can ask for.
const (
	MaxBody            = 8 << 20         // bytes of one body
	ValidationDeadline = 2 * time.Second // for the backend's is_best

	maxBodies      = 2 * MaxBody // bytes of bodies in work at once
	maxConnections = 128         // that have shown the token
	maxHeader      = 16 << 10
	perSecond      = 500 // messages a second
	burst          = 1000
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 15 * time.Second
	idleTimeout    = 2 * time.Minute
	roomTimeout    = 5 * time.Second // for a place among maxBodies
)

// Outbox is what the relay needs of the durable queue.
type Outbox interface {
	Append(contract.Message) error
	AppendAndWait(context.Context, contract.Message) (answer []byte, delivered bool, err error)
	Keep(contract.Message) error
}

// Options configures a relay. Job.ID and Outbox are required.
type Options struct {
	Job           Job
	PrimaryMetric string // the job's, that is_best goes by
	PrimaryMode   contract.MetricMode
	// Judge says whether a validation that was not observed yet makes its epoch the best;
	// job.Tracker's. nil finds none.
	Judge  func(contract.Validation) bool
	Outbox Outbox
	Full   error // what the outbox's errors wrap when it has no room: answered with 507
	Ended  error // what they wrap when the job has ended: answered with 409

	// Observe sees every accepted message, decoded, the child's final ones included.
	// It runs before the child has its answer and must be quick.
	Observe func(contract.Message)
	// System returns what is added to heartbeats as "system"; nil adds nothing.
	System func() *contract.System

	// Completions answers questions to a language model; nil serves none.
	Completions http.Handler

	// Listener is served instead of a free port of 127.0.0.1.
	Listener net.Listener

	ValidationDeadline time.Duration // 0 means ValidationDeadline
	Logger             *slog.Logger
	Now                func() time.Time
}

// Job is what the relay knows of the job.
type Job struct {
	ID     string
	Kinds  []contract.Kind // served; nil means all
	Epochs int             // to fill in a heartbeat's progress; 0 when unknown
	Task   contract.TaskType
	// ImageResults is the address at which an epoch's per-image results will be.
	// It takes the place of the path on disk that the child gives; nil leaves it.
	ImageResults func(epoch int) string
}

// Relay is the server on loopback. It serves from New until Close.
type Relay struct {
	opts     Options
	log      *slog.Logger
	token    string
	url      string
	server   *http.Server
	served   sync.WaitGroup
	rate     *rate.Limiter
	bodies   *semaphore.Weighted
	check    checker
	best     *verdicts
	repeated *recent
	refusals *refusalLog
	crowded  atomic.Bool // connections without the token have had to make way
}

// New starts a relay with a token of its own.
func New(opts Options) (*Relay, error) {
	if opts.Job.ID == "" || opts.Outbox == nil {
		return nil, errors.New("relay: Options.Job.ID and Options.Outbox are required")
	}
	listener := opts.Listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("opening the relay's port: %w", err)
		}
	}
	r := newRelay(opts)
	r.url = "http://" + listener.Addr().String()
	r.served.Go(crew.Guarded(func() {
		if err := r.server.Serve(r.open(listener)); !errors.Is(err, http.ErrServerClosed) {
			r.log.Error("the relay has stopped", "error", err)
		}
	}))
	return r, nil
}

func newRelay(opts Options) *Relay {
	if opts.Job.Kinds == nil {
		opts.Job.Kinds = contract.Kinds
	}
	if opts.Observe == nil {
		opts.Observe = func(contract.Message) {}
	}
	if opts.Judge == nil {
		opts.Judge = func(contract.Validation) bool { return false }
	}
	if opts.System == nil {
		opts.System = func() *contract.System { return nil }
	}
	if opts.ValidationDeadline == 0 {
		opts.ValidationDeadline = ValidationDeadline
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	r := &Relay{
		opts: opts, log: opts.Logger, token: newToken(),
		rate: rate.NewLimiter(perSecond, burst), bodies: semaphore.NewWeighted(maxBodies),
		check: checker{opts.Job.ID}, best: &verdicts{ours: map[int]bool{}}, repeated: newRecent(), refusals: newRefusalLog(opts.Logger),
	}
	r.server = &http.Server{
		Handler:           r.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      bodyTimeout + opts.ValidationDeadline + roomTimeout,
		IdleTimeout:       idleTimeout,
		ConnContext:       withConn,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	return r
}

func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// URL is the child's BACKEND_BASE_URL.
func (r *Relay) URL() string { return r.url }

// Token is the child's CALLBACK_TOKEN: good only here, only for this run.
func (r *Relay) Token() string { return r.token }

// Close stops the relay: requests in work get their answers until ctx ends.
func (r *Relay) Close(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("closing the relay: %w", err), r.server.Close())
	}
	r.served.Wait()
	return err
}

func (r *Relay) serves(k contract.Kind) bool { return slices.Contains(r.opts.Job.Kinds, k) }
