package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Defaults of Options.
const (
	DefaultDrainWait = time.Second
	DefaultHurry     = 2 * time.Second
	DefaultKillWait  = 2 * time.Second
)

// signalBuffer holds a burst: os/signal drops what does not fit, and merges equal
// signals itself, so 64 is all there can be at once.
const signalBuffer = 128

// Options of a Supervisor. The zero value is what the agent wants.
type Options struct {
	// DrainWait is how long output is still read after a child's exit when
	// something it started keeps the pipe open. Default 1 s.
	DrainWait time.Duration
	// Hurry is what is left of a grace period after a second stop request.
	// Default 2 s.
	Hurry time.Duration
	// KillWait bounds the wait for killed processes to disappear. A process in
	// uninterruptible sleep (a hung driver, a dead NFS) does not. Default 2 s.
	KillWait time.Duration
	// NoCgroup keeps children in the agent's own cgroup, also where a group
	// of their own could be made.
	NoCgroup bool
	// PassInterrupts leaves SIGINT and SIGQUIT to the child, as an init does,
	// instead of taking them for a stop request.
	PassInterrupts bool
	// Log takes what an operator may want to know. Default: discarded.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.DrainWait <= 0 {
		o.DrainWait = DefaultDrainWait
	}
	if o.Hurry <= 0 {
		o.Hurry = DefaultHurry
	}
	if o.KillWait <= 0 {
		o.KillWait = DefaultKillWait
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Supervisor owns every wait and every signal of the agent. There is at most one
// in a process.
type Supervisor struct {
	opts     Options
	self     int
	restore  func() // gives the subreaper role back
	signals  chan os.Signal
	sigchld  chan os.Signal
	requests chan Request
	stopping context.Context
	cancel   context.CancelCauseFunc
	hurry    chan struct{} // closed at the second stop request
	now      chan struct{} // closed at the third
	quit     chan struct{}
	done     sync.WaitGroup
	group    *cgroup // nil where the agent cannot make one
	term     *terminal

	mu        sync.Mutex // held over fork+register and over reap+dispatch
	children  map[int]*Child
	main      *Child
	mainSeen  bool
	waiting   []syscall.Signal // came before the main child, each number once
	received  int              // stop requests so far
	changed   chan struct{}    // closed and replaced whenever something was reaped
	orphans   int
	orphanCPU time.Duration
	closed    bool
}

// There is one wait(-1) in a process, so there is one Supervisor.
var open atomic.Bool

// NewSupervisor registers for signals first, if Listen has not; then it becomes the
// reaper (PID 1, or a child subreaper on Linux) and starts its one goroutine.
func NewSupervisor(opts Options) (*Supervisor, error) {
	if !open.CompareAndSwap(false, true) {
		return nil, errors.New("a supervisor is already open in this process: two would steal each other's exit statuses")
	}
	Listen()
	heard := early.Swap(nil)
	s := &Supervisor{
		opts:     opts.withDefaults(),
		self:     os.Getpid(),
		signals:  heard.signals,
		sigchld:  heard.sigchld,
		requests: make(chan Request, maxRequests),
		hurry:    make(chan struct{}),
		now:      make(chan struct{}),
		quit:     make(chan struct{}),
		children: map[int]*Child{},
		changed:  make(chan struct{}),
	}
	s.stopping, s.cancel = context.WithCancelCause(context.Background())
	s.term = openTerminal()
	if err := hide(); err != nil {
		s.opts.Log.Warn("children may look into the agent", "error", err)
	}
	restore, err := becomeReaper(s.self)
	if err != nil {
		s.opts.Log.Warn("orphans will not be reaped", "error", err)
	}
	s.restore = restore
	if !s.opts.NoCgroup {
		s.group = newCgroup(s.opts.Log)
	}
	makeThreads(threadsToMake())
	s.done.Go(s.loop)
	return s, nil
}

// loop is the one goroutine that waits for processes and handles signals.
func (s *Supervisor) loop() {
	s.reap() // children inherited over exec may be dead already
	for {
		select {
		case <-s.sigchld:
			s.reap()
		case sig := <-s.signals:
			s.handle(sig.(syscall.Signal))
		case <-s.quit:
			return
		}
	}
}

// reap collects every dead process there is: SIGCHLD is merged by the kernel, so
// one signal may stand for thousands.
func (s *Supervisor) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	reaped := false
	for {
		var ws syscall.WaitStatus
		var ru syscall.Rusage
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, &ru)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		reaped = true
		child, ours := s.children[pid]
		if !ours {
			s.orphans++
			s.orphanCPU += cpuTime(ru)
			continue
		}
		delete(s.children, pid)
		child.exited(ws, ru)
	}
	if reaped {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// event returns a channel that is closed when the next process is reaped.
func (s *Supervisor) event() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Orphans is the number of processes reaped that nobody here had started.
func (s *Supervisor) Orphans() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orphans
}

// Close kills whatever is left of the supervisor's children and their
// descendants, waits for them within KillWait, and gives signals and the reaper's
// role back. It returns an error that names what would not die.
func (s *Supervisor) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	left := make([]*Child, 0, len(s.children))
	for _, c := range s.children {
		left = append(left, c)
	}
	s.mu.Unlock()

	for _, c := range left {
		c.signalGroup(syscall.SIGKILL)
	}
	survivors := s.killAll(nil)
	for _, c := range left {
		select {
		case <-c.done:
		case <-time.After(s.opts.KillWait):
		}
	}
	signal.Stop(s.signals)
	signal.Stop(s.sigchld)
	close(s.quit)
	s.done.Wait()
	s.cancel(context.Canceled)
	s.term.close()
	s.group.remove()
	s.restore()
	open.Store(false)
	return survivorsError(survivors)
}
