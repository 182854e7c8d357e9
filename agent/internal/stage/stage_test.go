package stage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatDoesNotEndCannotBeOutwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		began := time.Now()
		err := Bound(t.Context(), time.Minute, "the bucket", func(context.Context) error { <-release; return nil })
		if !errors.Is(err, ErrOverdue) || time.Since(began) != time.Minute+Overtime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestWhatEndsWithItsTimeSaysHow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := Bound(t.Context(), time.Minute, "the bucket", func(ctx context.Context) error { <-ctx.Done(); return errors.New("half a file") })
		if err == nil || err.Error() != "half a file" {
			t.Error(err)
		}
	})
}

func TestAPanicIsAFailureOfOurs(t *testing.T) {
	err := Guard(t.Context(), "the conversion", func(context.Context) error { panic("width × height") })
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok || f.Code != contract.CodeInternal || f.ExitCode() != contract.ExitFailed || !strings.Contains(f.Message, "the conversion: width × height") || len(f.Evidence) == 0 {
		t.Errorf("%+v", err)
	}
}

func TestAPanicOfAWorkerIsAFailureOfOursToo(t *testing.T) {
	r := Runner{}
	err := r.Start(t.Context(), []Step{{Name: "dataset", Stage: Once(func(ctx context.Context) error {
		group, _ := crew.WithContext(ctx)
		group.Go(func() error { panic("width × height") })
		return group.Wait()
	})}})
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok || f.Code != contract.CodeInternal || !strings.Contains(f.Message, "width × height") || !strings.Contains(strings.Join(f.Evidence, "\n"), "TestAPanicOfAWorker") {
		t.Errorf("%+v", err)
	}
}

func TestABackgroundOutlivesItsStartAndEndsWithStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	running, ended := make(chan struct{}), false
	b := &Background{Run: func(ctx context.Context) { close(running); <-ctx.Done(); ended = true }}
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-running
	if err := b.Stop(t.Context()); err != nil || !ended {
		t.Errorf("%v, ended %v", err, ended)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
	if err := (*Background)(nil).Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestABackgroundThatPanicsIsAFaultAndCanBeStopped(t *testing.T) {
	watched := crew.Watch(t.Context())
	b := &Background{Run: func(context.Context) { panic("no") }}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-watched.Done()
	f, ok := errors.AsType[*contract.Failure](Fault())
	if !ok || f.Code != contract.CodeInternal || !strings.HasSuffix(f.Message, "it panicked: no.") || len(f.Evidence) == 0 {
		t.Errorf("%+v", Fault())
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
