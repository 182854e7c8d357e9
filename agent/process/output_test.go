package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/output"
)

func TestOutputIsByteExact(t *testing.T) {
	s := newSupervisor(t, Options{})
	source := rand.NewChaCha8([32]byte{1})
	want, got := sha256.New(), sha256.New()
	c := startRole(t, s, Spec{Stdout: got, StdinPipe: true}, "cat")
	if _, err := io.CopyN(io.MultiWriter(c.Stdin(), want), source, 8<<20); err != nil {
		t.Fatal(err)
	}
	_ = c.Stdin().Close()
	if st := c.Status(); !st.Success() {
		t.Fatal(st)
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Error("8 MiB of random bytes changed on their way")
	}
}

func TestOutputOfBothStreamsKeepsItsOrderInOneWriter(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWatched()
	startRole(t, s, Spec{Stdout: out, Stderr: out}, "alternate", "1000").Status()
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if line != strconv.Itoa(i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

func TestFloodWithoutNewlineIsBoundedAndLosesNothingAfterIt(t *testing.T) {
	s := newSupervisor(t, Options{})
	out := newWatched()
	lines := output.NewCollapser(out, 100)
	startRole(t, s, Spec{Stdout: lines}, "flood", strconv.Itoa(100<<20)).Status()
	if got := out.String(); !strings.HasSuffix(got, "more bytes of this line]\nafter the flood\n") || len(got) > 300 {
		t.Errorf("%d bytes: %.400q", len(got), got)
	}
}

func TestDoneDoesNotHangWhenTheChildLeaksStdout(t *testing.T) {
	s := newSupervisor(t, Options{DrainWait: time.Millisecond})
	out := newWatched()
	c := startRole(t, s, Spec{Main: true, Stdout: out}, "leak")
	if code := c.Status().ExitCode; code != 5 {
		t.Errorf("exit code %d", code)
	}
	c.Stop(t.Context(), Stop{})
}

// stuck is a writer that blocks until it is released.
type stuck struct {
	release chan struct{}
	bytes   int
}

func (w *stuck) Write(b []byte) (int, error) {
	<-w.release
	w.bytes += len(b)
	return len(b), nil
}

func TestDoneDoesNotHangWhenTheWriterBlocks(t *testing.T) {
	s := newSupervisor(t, Options{DrainWait: time.Millisecond})
	w := &stuck{release: make(chan struct{})}
	c := startRole(t, s, Spec{Stdout: w}, "alternate", "10")
	c.Status()
	close(w.release)
	<-c.output[0].Done()
}

// The child filled the pipe and ended while its log was slow, and what it left
// behind still holds the pipe: its own last words must not be lost with the rest.
func TestSlowWriterStillGetsWhatWasInTheLeakedPipe(t *testing.T) {
	s := newSupervisor(t, Options{DrainWait: time.Millisecond})
	w := &stuck{release: make(chan struct{})}
	script := "sleep 1000 & head -c 60000 /dev/zero"
	c, err := s.Start(Spec{Args: []string{"/bin/sh", "-c", script}, Env: os.Environ(), Main: true, Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	c.Status()
	close(w.release)
	<-c.output[0].Done()
	if w.bytes != 60000 {
		t.Errorf("got %d of 60000 bytes", w.bytes)
	}
	c.Stop(t.Context(), Stop{})
}

func TestWriterThatFailsDoesNotStopTheChild(t *testing.T) {
	s := newSupervisor(t, Options{})
	c := startRole(t, s, Spec{Stdout: failing{}}, "flood", strconv.Itoa(1<<20))
	if st := c.Status(); !st.Success() {
		t.Errorf("status %v: the child noticed that its log is broken", st)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStdoutThatNobodyReadsDoesNotBlockTheChild(t *testing.T) {
	s := newSupervisor(t, Options{})
	w := &stuck{release: make(chan struct{})}
	queue := output.NewQueue(w, 1<<20)
	c := startRole(t, s, Spec{Stdout: queue}, "flood", strconv.Itoa(16<<20))
	if st := c.Status(); !st.Success() {
		t.Error(st)
	}
	if queue.Dropped() == 0 {
		t.Error("nothing was dropped, so something grew without bound")
	}
	close(w.release)
	if err := queue.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
