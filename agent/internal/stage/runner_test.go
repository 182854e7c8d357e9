package stage

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// A diary is what stages did, in order.
type diary struct {
	mu    sync.Mutex // a stage that was left behind still writes
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("%q, want %q", d.lines, lines)
	}
}

// recorded is a stage that writes down what it is asked to do.
type recorded struct {
	name  string
	diary *diary
	start func(context.Context) error
	stop  func(context.Context) error
}

func (s recorded) Start(ctx context.Context) error {
	s.diary.write("start " + s.name)
	if s.start == nil {
		return nil
	}
	return s.start(ctx)
}

func (s recorded) Stop(ctx context.Context) error {
	s.diary.write("stop " + s.name)
	if s.stop == nil {
		return nil
	}
	return s.stop(ctx)
}

func (d *diary) step(name string, start, stop func(context.Context) error) Step {
	return Step{Name: name, Stage: recorded{name, d, start, stop}}
}

func fails(text string) func(context.Context) error {
	return func(context.Context) error { return errors.New(text) }
}

func newRunner() (*Runner, *[]string) {
	var warned []string
	return &Runner{Warn: func(text string) { warned = append(warned, text) }}, &warned
}

func TestStagesAreStoppedInTheReverseOfTheirStart(t *testing.T) {
	d := &diary{}
	r, warned := newRunner()
	if err := r.Start(t.Context(), []Step{d.step("a", nil, nil), d.step("b", nil, nil)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), []Step{d.step("c", nil, nil)}); err != nil {
		t.Fatal(err)
	}
	r.Stop(2)
	d.want(t, "start a", "start b", "start c", "stop c")
	r.Stop(0)
	r.Stop(0)
	d.want(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
	if len(*warned) != 0 {
		t.Errorf("warned of %q", *warned)
	}
}

func TestAStageThatFailsIsTheLastAndIsStoppedToo(t *testing.T) {
	d := &diary{}
	r, _ := newRunner()
	err := r.Start(t.Context(), []Step{d.step("a", nil, nil), d.step("b", fails("no disk"), nil), d.step("c", nil, nil)})
	if err == nil || err.Error() != "no disk" {
		t.Errorf("error %v", err)
	}
	r.Stop(0)
	d.want(t, "start a", "start b", "stop b", "stop a")
}

func TestAnOptionalStageIsNoReasonToLoseAJob(t *testing.T) {
	d := &diary{}
	r, warned := newRunner()
	metrics := d.step("metrics", fails("the port is taken"), nil)
	metrics.Optional = true
	if err := r.Start(t.Context(), []Step{metrics, d.step("b", nil, nil)}); err != nil {
		t.Fatal(err)
	}
	if len(*warned) != 1 || (*warned)[0] != "the port is taken" {
		t.Errorf("warned of %q", *warned)
	}
}

func TestAStageThatFailsBecauseItWasAskedToEndSaysWhoAsked(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	d := &diary{}
	r, _ := newRunner()
	request := errors.New("told to stop by SIGTERM")
	err := r.Start(ctx, []Step{d.step("download", func(ctx context.Context) error {
		cancel(request)
		<-ctx.Done()
		return errors.New("half a file")
	}, nil)})
	if !errors.Is(err, request) {
		t.Errorf("error %v", err)
	}
}

func TestAPanicOfAStageIsAFailureOfOurs(t *testing.T) {
	d := &diary{}
	r, _ := newRunner()
	err := r.Start(t.Context(), []Step{d.step("a", nil, nil), d.step("the conversion", func(context.Context) error { panic("width × height") }, nil)})
	if f := contract.AsFailure(err); f.Code != contract.CodeInternal || f.ExitCode() != contract.ExitFailed || !strings.Contains(f.Message, "the conversion") {
		t.Errorf("%+v", err)
	}
	r.Stop(0)
	d.want(t, "start a", "start the conversion", "stop the conversion", "stop a")
}

func TestAStageThatDoesNotStopIsNamedAndLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		r, warned := newRunner()
		release := make(chan struct{})
		defer close(release)
		stuck := d.step("the checkpoint watch", nil, func(context.Context) error { <-release; return nil })
		stuck.Within = time.Minute
		if err := r.Start(t.Context(), []Step{d.step("a", nil, nil), stuck}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r.Stop(0)
		if took := time.Since(began); took > time.Minute+10*time.Second {
			t.Errorf("it was waited for %v", took)
		}
		d.want(t, "start a", "start the checkpoint watch", "stop the checkpoint watch", "stop a")
		if len(*warned) != 1 || !strings.Contains((*warned)[0], "the checkpoint watch") {
			t.Errorf("warned of %q", *warned)
		}
	})
}

func TestAnErrorOfStoppingIsReported(t *testing.T) {
	d := &diary{}
	r, warned := newRunner()
	if err := r.Start(t.Context(), []Step{d.step("the outbox", nil, fails("the disk is full"))}); err != nil {
		t.Fatal(err)
	}
	r.Stop(0)
	if len(*warned) != 1 || (*warned)[0] != "Stopping the outbox: the disk is full." {
		t.Errorf("warned of %q", *warned)
	}
}
