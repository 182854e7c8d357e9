package process

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Piped is a helper program whose output is read and whose input is closed to end it:
// the GPU probe.
type Piped struct {
	*Child
	out io.Reader
}

// StartPiped starts a helper under the one owner of processes. It gives way to the
// training: it is nice, and the first to be killed for want of memory. It runs in "/":
// the training can write to the agent's folder, and nothing confines the helper.
func (s *Supervisor) StartPiped(args, env []string) (*Piped, error) {
	read, write := io.Pipe()
	child, err := s.Start(Spec{Args: args, Env: env, Dir: "/", Stdout: write, StdinPipe: true, Nice: 10, OOMScoreAdj: 500})
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	crew.Go(func() {
		<-child.Done()
		_ = write.Close()
	})
	return &Piped{child, read}, nil
}

// Stdout is what the helper prints, until it has ended.
func (p *Piped) Stdout() io.Reader { return p.out }

// CloseStdin asks the helper to end.
func (p *Piped) CloseStdin() { _ = p.Stdin().Close() }

// ExitCode waits for the helper's end.
func (p *Piped) ExitCode() int { return p.Status().ExitCode }

// Signal sends one signal to the helper.
func (p *Piped) Signal(s os.Signal) error {
	if sig, ok := s.(syscall.Signal); ok {
		p.Child.Signal(sig)
	}
	return nil
}
