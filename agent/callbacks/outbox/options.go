package outbox

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/contract"
)

// Bounds of the outbox and of one delivery (section 4 of the contract).
const (
	DefaultMaxBytes = 256 << 20 // bodies waiting
	MaxMessageBytes = 9 << 20   // one body: what the relay takes, and the agent's additions

	mergeAfter     = 256     // messages waiting before heartbeats of one epoch are merged
	spoolRest      = 2 << 20 // bytes that the queue may take beside twice MaxBytes: delivered, not yet given back
	diskReserve    = 8 << 20 // bytes free below which replaceable messages are refused
	drainPerSecond = 50      // messages a second after an outage, unless flushing
	drainBurst     = 100
)

// What callers need of the room behind the door.
type (
	// Backend is whom the messages are for, and how it is reached.
	Backend = delivery.Backend
	// Token is the bearer token.
	Token = delivery.Token
)

// Reasons for which a message is not accepted.
var (
	// ErrFull: the queue has reached its bound or the disk is full.
	ErrFull = errors.New("the outbox is full")
	// ErrFinal: the final message is stored, so nothing may follow it.
	ErrFinal = errors.New("the final message is stored, nothing may follow it")
	// ErrTooLarge: the body is over MaxMessageBytes.
	ErrTooLarge = errors.New("the message is too large")
	// ErrClosed: the outbox is closed.
	ErrClosed = errors.New("the outbox is closed")
)

// Options configures an outbox. JobID, Backend.URL and Backend.Token are required.
type Options struct {
	JobID   string
	TraceID string
	Backend Backend

	// Secrets are what the agent has and the training script cannot reach, the
	// callback token aside: the outbox's files are authenticated with a key that any
	// one of them opens, so that no rotation of a single one costs a message.
	Secrets []string

	// Redact takes secrets out of every message before it is stored or sent; nil hides
	// only the users of URLs.
	Redact *redact.Redactor

	MaxBytes int64 // bodies waiting; 0 means DefaultMaxBytes
	Logger   *slog.Logger

	// OnRejected is called once for each message that was put aside, with the
	// beginning of the backend's answer.
	OnRejected func(msg contract.Message, status int, body string)
	// OnDelivered is called for each delivery with the backend's answer, at most
	// delivery.MaxReply bytes. Both run on the sender and must be quick.
	OnDelivered func(msg contract.Message, reply []byte)

	Now      func() time.Time                 // nil means time.Now
	Rand     func() float64                   // [0, 1); nil means math/rand/v2
	DiskFree func(dir string) (uint64, error) // bytes; nil asks the file system
}

func (o Options) withDefaults() (Options, error) {
	if o.JobID == "" {
		return o, errors.New("outbox: Options.JobID is empty")
	}
	if o.Backend.Token.Read == nil {
		return o, errors.New("outbox: Options.Backend.Token.Read is nil")
	}
	if u, err := url.Parse(o.Backend.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return o, contract.Failf(contract.CodeConfigInvalid, "BACKEND_BASE_URL %q is no http or https address.", o.Backend.URL).
			WithHint("Give it as https://backend.example.com.")
	}
	if o.Backend.Token.Variable == "" {
		o.Backend.Token.Variable = "CALLBACK_TOKEN"
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnRejected == nil {
		o.OnRejected = func(contract.Message, int, string) {}
	}
	if o.OnDelivered == nil {
		o.OnDelivered = func(contract.Message, []byte) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.DiskFree == nil {
		o.DiskFree = diskFree
	}
	return o, nil
}

// client carries messages to the backend.
func (o Options) client() (*delivery.Client, error) {
	return delivery.New(delivery.Options{Backend: o.Backend, Log: o.Logger, Now: o.Now, Rand: o.Rand})
}

// diskFree returns the bytes that an unprivileged process may still write.
func diskFree(dir string) (uint64, error) {
	v, err := host.Statfs(dir)
	return uint64(max(0, v.Free)), err
}
