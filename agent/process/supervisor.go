package process

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/cgroup"
	"github.com/vision-platform/trainer-agent/agent/process/reap"
	"github.com/vision-platform/trainer-agent/agent/process/signals"
	"github.com/vision-platform/trainer-agent/agent/process/start"
	"github.com/vision-platform/trainer-agent/agent/process/stop"
	"github.com/vision-platform/trainer-agent/agent/process/terminal"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Defaults of Options.
const (
	DefaultDrainWait = time.Second
	DefaultHurry     = 2 * time.Second
	DefaultKillWait  = 2 * time.Second
)

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
	opts    Options
	self    int
	restore func() // gives the subreaper role back
	quit    chan struct{}
	done    sync.WaitGroup
	group   *cgroup.Group // nil where the agent cannot make one
	term    *terminal.Terminal
	asked   *signals.Requests
	arrived signals.Arrivals
	registry
}

// There is one wait(-1) in a process, so there is one Supervisor.
var open atomic.Bool

// NewSupervisor registers for signals first, if signals.Listen has not; then it becomes the
// reaper (PID 1, or a child subreaper on Linux) and starts its one goroutine.
func NewSupervisor(opts Options) (*Supervisor, error) {
	if !open.CompareAndSwap(false, true) {
		return nil, errors.New("a supervisor is already open in this process: two would steal each other's exit statuses")
	}
	s := &Supervisor{
		opts:     opts.withDefaults(),
		self:     os.Getpid(),
		quit:     make(chan struct{}),
		asked:    signals.NewRequests(),
		arrived:  signals.Take(),
		registry: registry{children: map[int]*Child{}, changed: make(chan struct{})},
	}
	s.term = terminal.Open()
	if err := reap.Hide(); err != nil {
		s.opts.Log.Warn("children may look into the agent", "error", err)
	}
	restore, err := reap.Become(s.self)
	if err != nil {
		s.opts.Log.Warn("orphans will not be reaped", "error", err)
	}
	s.restore = restore
	if !s.opts.NoCgroup {
		s.group = cgroup.New(s.opts.Log)
	}
	start.SpareThreads()
	s.done.Go(crew.Guarded(s.loop))
	return s, nil
}

// loop is the one goroutine that waits for processes and handles signals. It goes on
// after a panic: the job can only end when its processes do.
func (s *Supervisor) loop() {
	crew.Guarded(s.reap)() // children inherited over exec may be dead already
	for !s.over() {
		crew.Guarded(s.next)()
	}
}

// next answers whatever comes next.
func (s *Supervisor) next() {
	select {
	case <-s.arrived.SIGCHLD:
		s.reap()
	case sig := <-s.arrived.Signals:
		s.handle(sig.(syscall.Signal))
	case <-s.quit:
	}
}

func (s *Supervisor) over() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
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
	s.arrived.Stop()
	close(s.quit)
	s.done.Wait()
	s.asked.Close()
	s.term.Close()
	s.group.Remove()
	s.restore()
	open.Store(false)
	return stop.Survivors(survivors)
}
