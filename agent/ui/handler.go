package ui

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// HandlerOptions say how log records look.
type HandlerOptions struct {
	Level   slog.Leveler
	Color   bool
	Details bool // what is there for machines, too: an event's name and data
}

// NewHandler writes log records for a person: the time of day, what happened, and
// the few values that tell more. Each record is one Write.
func NewHandler(w io.Writer, o HandlerOptions) slog.Handler { return &handler{w: w, opt: o} }

type handler struct {
	w     io.Writer
	opt   HandlerOptions
	attrs []slog.Attr
	group string
}

// forMachines are the keys of attributes that only say the message again.
var forMachines = []string{"event", "data"}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.opt.Level.Level()
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.group = h.group + name + "."
	return &next
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(paint(r.Time.Format("15:04:05"), dim, h.opt.Color) + " ")
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(paint("error:", bold+";"+red, h.opt.Color) + " ")
	case r.Level >= slog.LevelWarn:
		b.WriteString(paint("warning:", yellow, h.opt.Color) + " ")
	case r.Level < slog.LevelInfo:
		b.WriteString(paint("debug:", dim, h.opt.Color) + " ")
	}
	b.WriteString(Clean(r.Message))
	for _, a := range h.attrs {
		h.attr(&b, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		h.attr(&b, h.group, a)
		return true
	})
	b.WriteByte('\n')
	_, err := io.WriteString(h.w, b.String())
	return err
}

func (h *handler) attr(b *strings.Builder, group string, a slog.Attr) {
	if a.Equal(slog.Attr{}) || !h.opt.Details && slices.Contains(forMachines, a.Key) {
		return
	}
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			h.attr(b, group+a.Key+".", inner)
		}
		return
	}
	text := value.String()
	if raw, ok := value.Any().(interface{ MarshalJSON() ([]byte, error) }); ok && h.opt.Details {
		if j, err := raw.MarshalJSON(); err == nil {
			text = string(j)
		}
	}
	text = Clean(text)
	if strings.Contains(text, " ") {
		text = fmt.Sprintf("%q", text)
	}
	b.WriteString(" " + paint(group+Clean(a.Key)+"=", dim, h.opt.Color) + text)
}
