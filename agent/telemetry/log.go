package telemetry

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// LogOptions says how log lines look.
type LogOptions struct {
	Format  string // "json" or "text"
	Level   string // "debug", "info", "warn" or "error"
	Secrets []string
	JobID   string
	TraceID string

	Quiet   bool // nothing but problems and the outcome
	Verbose bool // whatever Level says, debug
	// Handler writes the lines in place of a Format.
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

// NewLogger returns a logger whose every line carries job_id and trace_id.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	level := o.level()
	w = &maskingLines{w: w, secrets: maskable(o.Secrets)}
	if o.Handler != nil {
		return slog.New(o.Handler(w, level))
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: plainLevel}
	if o.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options)) // a person's terminal: the ids would be noise
	}
	return slog.New(slog.NewJSONHandler(w, options)).With("job_id", o.JobID, "trace_id", o.TraceID)
}

// plainLevel names the outcome's level as what it is to everybody else.
func plainLevel(_ []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && level == LevelOutcome {
		a.Value = slog.AnyValue(slog.LevelInfo)
	}
	return a
}

// Mask replaces the secrets in a text.
func Mask(text string, secrets []string) string {
	for _, s := range maskable(secrets) {
		text = strings.ReplaceAll(text, string(s), "***")
	}
	return text
}

// maskingLines replaces secrets. slog writes each record in one Write, so a
// secret is never split between two.
type maskingLines struct {
	mu      sync.Mutex
	w       io.Writer
	secrets [][]byte
}

func (m *maskingLines) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := p
	for _, s := range m.secrets {
		out = bytes.ReplaceAll(out, s, []byte("***"))
	}
	if _, err := m.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// A secret of one or two letters would turn every text to asterisks.
func maskable(secrets []string) (list [][]byte) {
	for _, s := range secrets {
		if len(s) >= 4 {
			list = append(list, []byte(s))
		}
	}
	return list
}
