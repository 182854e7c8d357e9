//go:build cgo && linux

package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout)) }

func run(args []string, stdin io.Reader, stdout io.Writer) int {
	flags := flag.NewFlagSet("trainer-gpu", flag.ContinueOnError)
	period := flags.Duration("period", 10*time.Second, "time between samples")
	slow := flags.Duration("slow", time.Minute, "time between looks at the error counters")
	once := flags.Bool("once", false, "print hello and one sample, then end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	runtime.GOMAXPROCS(2) // one goroutine waits for events, one samples
	debug.SetGCPercent(50)

	if !*once {
		go leaveWith(stdin)
	}
	out := &printer{w: stdout}
	calls := newCalls(out)
	go calls.watch()
	lib, fatal := open(calls)
	if fatal != nil {
		out.print(*fatal)
		return contract.ProbeExitFatal
	}
	p := &probe{lib: lib, calls: calls, out: out, slow: *slow, kick: make(chan struct{}, 1)}
	if fatal := p.hello(); fatal != nil {
		out.print(*fatal)
		return contract.ProbeExitFatal
	}
	if *once {
		p.sample(true)
		return 0
	}
	return p.serve(*period)
}

// leaveWith ends the process when its input ends, which means that the agent is
// gone: also while a driver call hangs, the first one included.
func leaveWith(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(0)
}

// serve samples until nobody reads any more.
func (p *probe) serve(period time.Duration) int {
	go p.events()
	p.sample(true)
	tick := time.NewTicker(period)
	defer tick.Stop()
	slowAt := time.Now()
	for {
		counters := false
		select {
		case <-p.out.broken():
			return 0
		case <-p.kick:
			counters = true
		case <-tick.C:
		}
		if time.Since(slowAt) >= p.slow {
			counters = true
		}
		if counters {
			slowAt = time.Now()
		}
		p.sample(counters)
	}
}
