package outbox

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
)

const unauthorized = http.StatusUnauthorized

// rotating is an outbox whose token comes from a file that is synced late.
func rotating(read func() string, log *slog.Logger) func(*Options) {
	return func(o *Options) {
		o.Backend.Token = Token{Variable: "CALLBACK_TOKEN_FILE", Read: func() (string, error) { return read(), nil }}
		o.Logger = log
	}
}

func TestATokenThatIsSyncedLateLosesNoMessage(t *testing.T) {
	began := time.Now()
	token := func() string {
		if time.Since(began) < 2*time.Minute {
			return "old"
		}
		return "new"
	}
	virtual(t, nil, func(o *Options) { began = time.Now(); rotating(token, nil)(o) }, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		s.answer = func(n int, w http.ResponseWriter) {
			want := "Bearer new"
			if n == 0 {
				want = "Bearer old"
			}
			if s.seen().auth[n] != want {
				w.WriteHeader(unauthorized)
			}
		}
		for i := range 100 {
			appendAll(t, o, heartbeat(i))
		}
		for o.Pending().Depth > 0 {
			time.Sleep(time.Second) // virtual
		}
		if p := o.Pending(); p.Rejected != 0 || p.Settled != 100 {
			t.Errorf("%+v", p)
		}
	})
}

func TestA401IsRetriedForThreeMinutesAndForDoneToTheEnd(t *testing.T) {
	virtual(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(unauthorized) },
		rotating(func() string { return "old" }, nil), func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			began := time.Now()
			appendAll(t, o, heartbeat(1))
			for o.Pending().Depth > 1 || o.Pending().Rejected == 0 {
				time.Sleep(time.Second) // virtual
			}
			if took := time.Since(began); took < delivery.RotationGrace || took > delivery.RotationGrace+2*delivery.BackoffMax {
				t.Errorf("given up after %v", took)
			}
			appendFinal(t, o, done("failed"))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			if err := o.Flush(ctx); err == nil {
				t.Error("flushed")
			}
			if f, _ := o.Final(); f.Rejected || f.Delivered {
				t.Errorf("done was given up before the flush was over: %+v", f)
			}
			if tries := s.seen(); tries.at[len(tries.at)-1] < 12*time.Minute {
				t.Errorf("the last try was at %v", tries.at[len(tries.at)-1])
			}
		})
}

func TestATokenOfTheEnvironmentIsRefusedAtOnceAndItsVariableNamedOnce(t *testing.T) {
	lines := &errorLines{}
	virtual(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(unauthorized) },
		func(o *Options) { o.Logger = slog.New(lines) }, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			for i := range 5 {
				appendAll(t, o, heartbeat(i))
			}
			appendFinal(t, o, done("failed"))
			flush(t, o)
			if f, _ := o.Final(); !f.Rejected {
				t.Errorf("%+v", f)
			}
			if n := lines.with("check CALLBACK_TOKEN"); n != 1 {
				t.Errorf("the variable is named %d times: %q", n, lines.all())
			}
		})
}

func TestATokenThatNoHeaderCarriesIsNoNetworkError(t *testing.T) {
	for name, token := range map[string]string{"a line break": "abc\ndef", "UTF-16": "a\x00b\x00c", "a control character": "a\x01b"} {
		lines := &errorLines{}
		virtual(t, nil, func(o *Options) {
			o.Backend.Token.Read = func() (string, error) { return token, nil }
			o.Logger = slog.New(lines)
		}, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			s.answer = func(n int, w http.ResponseWriter) {
				if s.seen().auth[n] == "" {
					w.WriteHeader(unauthorized)
				}
			}
			appendFinal(t, o, done("failed"))
			began := time.Now()
			flush(t, o)
			if f, _ := o.Final(); !f.Rejected || time.Since(began) > time.Minute {
				t.Errorf("%s: %+v after %v", name, f, time.Since(began))
			}
			if lines.with("CALLBACK_TOKEN holds a line break or another character that no HTTP header can carry") != 1 {
				t.Errorf("%s: the log says %q", name, lines.all())
			}
		})
	}
}

func TestAByteOrderMarkBeforeATokenIsDropped(t *testing.T) {
	virtual(t, func(int, http.ResponseWriter) {}, func(o *Options) {
		o.Backend.Token.Read = func() (string, error) { return "\ufefftoken\r\n", nil }
	}, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		appendAll(t, o, heartbeat(1))
		flush(t, o)
		if got := s.seen().auth; !slices.Equal(got, []string{"Bearer token"}) {
			t.Errorf("sent %q", got)
		}
	})
}

// errorLines keeps errors with their attributes.
type errorLines struct{ lineHandler }

func (h *errorLines) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h *errorLines) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *errorLines) WithGroup(string) slog.Handler                { return h }
func (h *errorLines) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
	return nil
}

func (h *errorLines) with(text string) (n int) {
	for _, l := range h.all() {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}
