package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/pause"
)

func TestPauseEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := pause.For(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		stopped := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { stop(stopped) })
		if err := pause.For(ctx, time.Hour); !errors.Is(err, stopped) || time.Since(began) != time.Hour+time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := pause.For(ctx, 0); !errors.Is(err, stopped) {
			t.Errorf("no time, and a context that has ended: %v", err)
		}
		if err := pause.For(t.Context(), -time.Second); err != nil {
			t.Errorf("no time: %v", err)
		}
	})
}
