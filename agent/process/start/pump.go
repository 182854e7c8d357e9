package start

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// pumpChunk is the size of one read: a pipe's default capacity on Linux.
const pumpChunk = 64 << 10

// Pumps move all that a child prints.
type Pumps []*pump

// Run starts them.
func (all Pumps) Run() {
	for _, p := range all {
		crew.Go(p.run)
	}
}

// Finish delivers what the pipes still hold after the child's exit, within wait.
func (all Pumps) Finish(wait time.Duration) {
	var left sync.WaitGroup
	for _, p := range all {
		left.Go(crew.Guarded(func() { p.finish(wait) }))
	}
	left.Wait()
}

// pump moves what one pipe (or pty) delivers to one writer until EOF.
type pump struct {
	r    *os.File
	w    io.Writer
	err  error // the writer's first error; reading goes on after it
	done chan struct{}
}

func newPump(r *os.File, w io.Writer) *pump {
	return &pump{r: r, w: w, done: make(chan struct{})}
}

func (p *pump) run() {
	defer close(p.done)
	defer p.r.Close() //nolint:errcheck // a read end
	buf := make([]byte, pumpChunk)
	for {
		n, err := p.r.Read(buf)
		p.write(buf[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.rest(buf)
			return
		}
		if err != nil { // EOF; EIO of a pty whose last user is gone
			return
		}
	}
}

func (p *pump) write(b []byte) {
	if p.err == nil && len(b) > 0 {
		_, p.err = p.w.Write(b)
	}
}

// rest delivers what was in the pipe when time was up: the child itself may have
// written it, and a slow writer kept us from it. It never waits, and one pipe's
// capacity bounds it against a process that writes on and on.
func (p *pump) rest(buf []byte) {
	for left := pipeCapacity(p.r); left > 0; {
		n := readNow(p.r, buf[:min(left, len(buf))])
		if n <= 0 {
			return
		}
		p.write(buf[:n])
		left -= n
	}
}

// Done is closed when nothing more is moved.
func (p *pump) Done() <-chan struct{} { return p.done }

// finish is called after the child's exit. It returns when the pipe was read to
// its end, or after the given time when something else still holds it, or when
// the writer does not return.
func (p *pump) finish(wait time.Duration) {
	_ = p.r.SetReadDeadline(time.Now().Add(wait))
	hopeless := time.NewTimer(2 * wait)
	defer hopeless.Stop()
	select {
	case <-p.Done():
	case <-hopeless.C:
	}
}
