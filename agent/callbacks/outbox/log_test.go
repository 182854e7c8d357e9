package outbox

import (
	"context"
	"log/slog"
	"sync"
)

// A lineHandler keeps "LEVEL message" of every record.
type lineHandler struct {
	mu    sync.Mutex
	lines []string
}

func (h *lineHandler) logger() *slog.Logger { return slog.New(h) }

func (h *lineHandler) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.lines...)
}

func (h *lineHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *lineHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *lineHandler) WithGroup(string) slog.Handler            { return h }
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, r.Level.String()+" "+r.Message)
	return nil
}
