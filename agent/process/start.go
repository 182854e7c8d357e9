package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/process/command"
)

// Spec says what to start.
type Spec struct {
	Args []string // Args[0] is looked up in the PATH of Env
	Env  []string // NAME=value; nil means none, not the agent's
	Dir  string   // "" = the agent's

	// Main marks the one child that receives forwarded signals and the terminal.
	// Signals that came before it are delivered when it starts. Once a stop was
	// requested a main child is no longer started: Start returns the Request.
	Main bool

	// Stdout and Stderr take the output, byte-exact. nil discards; an *os.File
	// is handed to the child itself, without a pump. Equal writers share one pipe,
	// so the order between the two streams is kept. A writer's error ends the
	// writing, never the reading; a writer that blocks blocks the child, so put a
	// queue before one that may (package output).
	Stdout, Stderr io.Writer

	// Stdin is given to the child itself; nil means /dev/null. StdinPipe makes a
	// pipe instead, whose other end is Child.Stdin.
	Stdin     *os.File
	StdinPipe bool

	// PTY connects the child to a pseudo-terminal whose output goes to Stdout, and
	// whose input, size and job control come from the agent's own terminal.
	PTY bool

	RunAs       *Identity // nil = as the agent
	NoNewPrivs  bool      // implied by RunAs
	Nice        int       // added to the agent's, 0–19
	OOMScoreAdj int       // raised by this much, 0–1000: who dies first
}

// command is what of a Spec tells why it cannot be run.
func (s Spec) command() command.Command {
	c := command.Command{Args: s.Args, Env: s.Env, Dir: s.Dir}
	if s.RunAs != nil {
		c.RunAs = s.RunAs.String()
	}
	return c
}

// Start starts a program in a session and group of its own. The error of a
// program that cannot run is a *contract.Failure around an *ExecError.
func (s *Supervisor) Start(spec Spec) (*Child, error) {
	path, err := spec.command().LookPath()
	if err != nil {
		return nil, err
	}
	files, err := openFiles(s, spec)
	if err != nil {
		return nil, fmt.Errorf("preparing the files of %s: %w", spec.Args[0], err)
	}
	c := &Child{
		sup: s, main: spec.Main, stdin: files.stdin, pumps: files.pumps,
		reaped: make(chan struct{}), done: make(chan struct{}),
	}
	err = s.launch(c, path, spec, files)
	files.closeChildEnds()
	if err != nil {
		files.closeOurs()
		return nil, err
	}
	for _, p := range c.pumps {
		go p.run()
	}
	return c, nil
}

// launch forks and registers under one lock, so the reaper cannot meet a child
// that it does not know.
func (s *Supervisor) launch(c *Child, path string, spec Spec, files *files) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("starting a process: the supervisor is closed")
	}
	if spec.Main {
		if r, ok := s.asked.first(); ok {
			return r
		}
		if s.main != nil {
			return fmt.Errorf("starting %s: the main child %d still runs", spec.Args[0], s.main.pid)
		}
	}
	pid, err := fork(s.group, path, spec, files, c.reaped)
	if err != nil {
		return spec.command().Failure(path, err)
	}
	c.pid = pid
	s.children[pid] = c
	leaveRoom(pid)
	if spec.OOMScoreAdj > 0 {
		raiseOOMScore(pid, spec.OOMScoreAdj)
	}
	if spec.Main {
		s.main, s.mainSeen = c, true
		s.term.Attach(files.pty, pid)
		for _, sig := range s.waiting {
			c.forwardLocked(sig)
		}
		s.waiting = nil
	}
	return nil
}

// fork starts the program on a thread that lives as long as the child. The
// thread is given the settings that a child can only inherit (no_new_privs,
// niceness), is then the child's parent for PR_SET_PDEATHSIG, which fires when the
// forking *thread* ends, and is thrown away afterwards because those settings
// cannot be undone.
func fork(group *cgroup, path string, spec Spec, files *files, reaped <-chan struct{}) (int, error) {
	type result struct {
		pid int
		err error
	}
	forked := make(chan result)
	go onOwnThread(func() {
		var r result
		if r.err = prepareThread(spec); r.err == nil {
			r.pid, r.err = forkExec(group, path, spec, files)
		}
		forked <- r
		if r.err == nil {
			<-reaped
		}
	})
	r := <-forked
	return r.pid, r.err
}

// forkExec is syscall.ForkExec: os.StartProcess would want to wait itself, and
// probes for pidfd support with a child that our reaper could take.
func forkExec(group *cgroup, path string, spec Spec, files *files) (int, error) {
	sys := sysProcAttr(spec)
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: files.fds(), Sys: sys}
	if attr.Env == nil {
		attr.Env = []string{}
	}
	if spec.Main && group.use(sys) {
		// clone3 is refused by old kernels and by seccomp filters; the group is a
		// means, not an end.
		if pid, err := syscall.ForkExec(path, spec.Args, attr); err == nil {
			return pid, nil
		}
		group.unuse(sys)
	}
	return syscall.ForkExec(path, spec.Args, attr)
}
