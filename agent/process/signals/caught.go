// Package signals knows which signals the agent gets and what a request to stop is.
//
// It promises that a signal which came before anybody listened for it is kept, and that
// of many requests to stop the first three mean something: stop, hurry, now. Who a
// signal is passed on to is agent/process's to decide.
package signals

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// Arrivals are the signals that the agent gets.
type Arrivals struct{ Signals, SIGCHLD chan os.Signal }

// early is what arrives for the supervisor to come.
var early atomic.Pointer[Arrivals]

// buffer holds a burst: os/signal drops what does not fit, and merges equal signals
// itself, so 64 is all there can be at once.
const buffer = 128

// Listen registers for signals ahead of Take, which returns all that came meanwhile. A
// program calls it as its first act: a SIGTERM that finds nobody listening ends PID 1
// with Go's exit code 2, which would mean something else.
func Listen() {
	e := &Arrivals{make(chan os.Signal, buffer), make(chan os.Signal, 1)}
	if early.CompareAndSwap(nil, e) {
		signal.Notify(e.Signals, caught()...)
		signal.Notify(e.SIGCHLD, syscall.SIGCHLD)
	}
}

// Take hands over what Listen has registered for, and registers where it has not.
func Take() Arrivals {
	Listen()
	return *early.Swap(nil)
}

// Stop gives the signals back.
func (a Arrivals) Stop() {
	signal.Stop(a.Signals)
	signal.Stop(a.SIGCHLD)
}

// caught are all that a process may catch, less what a crash raises in the
// agent itself (tini leaves the same ones alone) and what the Go runtime keeps:
// SIGURG, and SIGPROF, which it never delivers (runtime/signal_unix.go, sighandler).
//
// SIGINT, SIGQUIT and SIGHUP that were ignored at start (nohup, a background job
// of a plain shell) stay ignored, here and in the child.
func caught() []os.Signal {
	var all []os.Signal
	for _, sig := range Catchable() {
		optional := sig == syscall.SIGINT || sig == syscall.SIGQUIT || sig == syscall.SIGHUP
		if optional && signal.Ignored(sig) {
			continue
		}
		all = append(all, sig)
	}
	return all
}
