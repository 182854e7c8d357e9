package training

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/output"
)

// shell is a training whose script is a shell's, and nobody who may end it.
func shell(t *testing.T, script string) *Training {
	t.Helper()
	supervisor, err := process.NewSupervisor(process.Options{NoCgroup: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = supervisor.Close() })
	log := slog.New(slog.DiscardHandler)
	tracker := job.NewTracker(job.TrackerOptions{Now: time.Now})
	never := func() <-chan struct{} { return nil }
	return &Training{
		Supervisor: supervisor, Noun: "training", TorchError: filepath.Join(t.TempDir(), "torch.json"), Tracker: tracker,
		Events: job.NewEvents(log, time.Now, ""), Now: time.Now, Limits: Limits{Grace: time.Hour},
		Spec: func() (process.Spec, error) {
			return process.Spec{Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/bin:/usr/bin"}, Main: true}, nil
		},
		Output: func() *output.Splitter { return output.NewSplitter(io.Discard, io.Discard, nil, tracker.Alive) },
		Watch: Watch{Trouble: never, GPULost: never, Leaving: func() {}, Started: func(int) {}, Ended: func() {},
			Hang: func(ctx context.Context, _ func() time.Duration) (time.Duration, bool) { <-ctx.Done(); return 0, false }},
	}
}

// ready runs the training until its first line, then lets something happen to it.
func ready(t *testing.T, training *Training, happens func()) Ending {
	t.Helper()
	if err := training.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan Ending, 1)
	go func() { ended <- training.Wait(context.Background()) }()
	for deadline := time.Now().Add(time.Minute); len(training.Tail()) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("it printed nothing")
		}
		<-time.After(time.Millisecond)
	}
	happens()
	e := <-ended
	if err := training.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	return e
}

// patient saves when it is asked to stop, and leaves with 3. It is ready when its sleep
// has become one: before, that is a shell which takes the signal for its own and loses it.
const patient = `trap 'echo saved; exit 3' TERM; sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done; echo ready; while :; do wait; done`

func TestWhateverEndsATrainingIsNamed(t *testing.T) {
	fires := func() (chan struct{}, func() <-chan struct{}) {
		c := make(chan struct{})
		return c, func() <-chan struct{} { return c }
	}
	for want, begin := range map[Stop]func(t *Training) (happens func()){
		StopNode: func(t *Training) func() {
			c, watch := fires()
			t.Watch.Trouble = watch
			return func() { close(c) }
		},
		StopGPU: func(t *Training) func() {
			c, watch := fires()
			t.Watch.GPULost = watch
			return func() { close(c) }
		},
		StopHang: func(t *Training) func() {
			c := make(chan struct{})
			t.Watch.StopHung = true
			t.Watch.Hang = func(context.Context, func() time.Duration) (time.Duration, bool) { <-c; return time.Hour, true }
			return func() { close(c) }
		},
		StopTimeLimit: func(t *Training) func() { t.Limits.Time = time.Second; return func() {} },
		StopRequested: func(*Training) func() { return func() { _ = unix.Kill(os.Getpid(), unix.SIGTERM) } },
	} {
		t.Run(string(want), func(t *testing.T) {
			training := shell(t, patient)
			e := ready(t, training, begin(training))
			if e.Stop != want || e.Status.ExitCode != 3 || !strings.HasPrefix(strings.Join(training.Tail(), " "), "ready saved") {
				t.Errorf("%+v after %q", e, training.Tail())
			}
			if asked := !e.Deadline.IsZero(); asked != (want == StopRequested) {
				t.Errorf("the deadline of the whole stop is %v", e.Deadline)
			}
		})
	}
}

func TestATrainingThatEndsByItselfWasStoppedByNobody(t *testing.T) {
	training := shell(t, "echo ready; exit 7")
	if e := ready(t, training, func() {}); e.Stop != StopNone || e.Status.ExitCode != 7 || e.Ended.Before(e.Started) {
		t.Errorf("%+v", e)
	}
}

func TestATrainingThatCannotStartIsNotWaitedFor(t *testing.T) {
	training := shell(t, "")
	broken := errors.New("the workspace is another's")
	training.Spec = func() (process.Spec, error) { return process.Spec{}, broken }
	if err := training.Start(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := training.Stop(t.Context()); err != nil || training.Tail() != nil || training.TorchErrors() != "" {
		t.Errorf("%v, %q, %q", err, training.Tail(), training.TorchErrors())
	}
}

// The training may put what it likes where torchrun leaves its first error.
func TestOnlyARegularFileIsReadForTorchsErrors(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"its error": {func(path string) error { return os.WriteFile(path, []byte(`{"message":"x"}`), 0o600) }, `{"message":"x"}`},
		"a pipe":    {func(path string) error { return unix.Mkfifo(path, 0o600) }, ""},
		"a link":    {func(path string) error { return os.Symlink(outside, path) }, ""},
		"a folder":  {func(path string) error { return os.Mkdir(path, 0o700) }, ""},
		"nothing":   {func(string) error { return nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			training := shell(t, "echo ready; read never")
			ready(t, training, func() {})
			if err := c.make(training.TorchError); err != nil {
				t.Fatal(err)
			}
			if got := training.TorchErrors(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Seen under load: the stop came before the process had run its handler, and the log of a
// hang showed nothing.
func TestAProcessThatHangsPrintsItsStacksBeforeItIsEnded(t *testing.T) {
	training := shell(t, `trap 'sleep 0.3; echo stacks' USR1; echo ready; while :; do sleep 1000 & wait; done`)
	hangs := make(chan struct{})
	training.Watch.StopHung = true
	training.Watch.Hang = func(context.Context, func() time.Duration) (time.Duration, bool) { <-hangs; return time.Hour, true }
	if e := ready(t, training, func() { close(hangs) }); e.Stop != StopHang || !slices.Contains(training.Tail(), "stacks") {
		t.Errorf("%+v after %q", e, training.Tail())
	}
}
