// Command emptyroot is the agent's GPU room in a static binary, for the test that
// runs it in a root without any libc: it watches GPUs with the probe named by its
// first argument and prints why that did not work.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/vision-platform/trainer-agent/agent/gpu"
)

func main() {
	m, err := gpu.New(gpu.Options{
		ProbePath: os.Args[1], Env: []string{"NVIDIA_VISIBLE_DEVICES=all"},
		Start: func(_ context.Context, args, env []string) (gpu.Probe, error) {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = env
			out, err := cmd.Output()
			if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
				return nil, err
			}
			return ended{out: out, code: cmd.ProcessState.ExitCode()}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m.Run(ctx)
	fmt.Println(m.Evidence().Reason)
}

// ended is a probe that has run to its end already.
type ended struct {
	out  []byte
	code int
}

func (e ended) Stdout() io.Reader      { return bytes.NewReader(e.out) }
func (e ended) CloseStdin()            {}
func (e ended) Signal(os.Signal) error { return nil }
func (e ended) ExitCode() int          { return e.code }
func (e ended) Done() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
