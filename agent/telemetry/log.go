package telemetry

import (
	"io"
	"log/slog"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/internal/redact"
)

// LogOptions says how log lines look.
type LogOptions struct {
	Level   string // "debug", "info", "warn" or "error"
	Secrets []string
	JobID   string
	TraceID string

	Quiet   bool // nothing but problems and the outcome
	Verbose bool // whatever Level says, debug
	// Handler writes the lines for a person; nil means JSON, for a collector.
	Handler func(w io.Writer, level slog.Leveler) slog.Handler
}

// LevelOutcome is that of the one line that says how the job ended: --quiet leaves
// it, AGENT_LOG_LEVEL=warn does not.
const LevelOutcome = slog.LevelInfo + 2

func (o LogOptions) level() (level slog.Level) {
	if err := level.UnmarshalText([]byte(o.Level)); err != nil {
		level = slog.LevelInfo
	}
	switch {
	case o.Verbose:
		return slog.LevelDebug
	case o.Quiet:
		return max(level, LevelOutcome)
	}
	return level
}

// NewLogger returns a logger whose every line of JSON carries job_id and trace_id:
// to a person they would be noise.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	level := o.level()
	w = &redacted{w: w, secrets: redact.New(o.Secrets), json: o.Handler == nil}
	if o.Handler != nil {
		return slog.New(o.Handler(w, level))
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: plainLevel}
	return slog.New(slog.NewJSONHandler(w, options)).With("job_id", o.JobID, "trace_id", o.TraceID)
}

// plainLevel names the outcome's level as what it is to everybody else.
func plainLevel(_ []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && level == LevelOutcome {
		a.Value = slog.AnyValue(slog.LevelInfo)
	}
	return a
}

// redacted takes the secrets out of each line. slog writes each record in one
// Write, so a secret is never split between two.
type redacted struct {
	mu      sync.Mutex
	w       io.Writer
	secrets *redact.Redactor
	json    bool // lines are JSON and stay so
}

func (r *redacted) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clean := r.secrets.Bytes
	if r.json {
		clean = r.secrets.JSON
	}
	if _, err := r.w.Write(clean(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
