// Package start starts one program: its files, the thread that it is forked from, and
// what it inherits.
//
// It promises that what only a child shall have (no_new_privs, its niceness, its confinement, another
// user) stays in the child, that the child dies with a killed agent, and that no full
// pipe, leaked descriptor or endless line blocks the child or the agent. Waiting for the
// program is agent/process's.
package start

import (
	"io"
	"os"

	"github.com/vision-platform/trainer-agent/agent/process/command"
	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/agent/process/identity"
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

	RunAs       *identity.Identity // nil = as the agent
	Confine     *confine.Plan      // what it is kept from; nil = nothing
	NoNewPrivs  bool               // implied by RunAs and Confine
	Nice        int                // added to the agent's, 0–19
	OOMScoreAdj int                // raised by this much, 0–1000: who dies first
}

// Command is what of a Spec tells why it cannot be run.
func (s Spec) Command() command.Command {
	c := command.Command{Args: s.Args, Env: s.Env, Dir: s.Dir}
	if s.RunAs != nil {
		c.RunAs = s.RunAs.String()
	}
	return c
}
