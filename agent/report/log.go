package report

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
)

// LogOptions says how log lines look.
type LogOptions struct {
	Format  string // "json" or "text"
	Level   string // "debug", "info", "warn" or "error"
	Secrets []string
	JobID   string
	TraceID string
}

// NewLogger returns a logger whose every line carries job_id and trace_id.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.Level)); err != nil {
		level = slog.LevelInfo
	}
	w = &maskingLines{w: w, secrets: maskable(o.Secrets)}
	options := &slog.HandlerOptions{Level: level}
	if o.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options)) // a person's terminal: the ids would be noise
	}
	return slog.New(slog.NewJSONHandler(w, options)).With("job_id", o.JobID, "trace_id", o.TraceID)
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
