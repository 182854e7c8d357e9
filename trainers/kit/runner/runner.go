package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// The levels, as they are stored and shown.
const (
	LevelProcess    = "process"
	LevelNamespaces = "namespaces"
	LevelContainer  = "container"
	LevelKubernetes = "kubernetes"
)

// Command is one program of a step. It finds Read and Write at their own paths; at a
// level above LevelProcess it finds nothing else of this machine but its system folders, and
// where a level has an image not even those.
type Command struct {
	Program string // absolute, or found in the PATH of Env; in an image, as the image has it
	Args    []string
	Dir     string
	Env     []string
	Read    []string // files and folders
	Write   []string // folders, which are there
	Stdout  io.Writer
	Stderr  io.Writer
}

// Limits bound one command with everything that it starts. 0 means no limit.
type Limits struct {
	Time      time.Duration
	Memory    int64 // bytes in use, all processes together
	Disk      int64 // bytes on the disk below Write
	Files     int   // files and folders below Write
	Processes int   // processes and threads
}

// Runner runs commands at one level.
type Runner interface {
	Level() string
	// Run returns when the command and everything that it started has ended: nil, an
	// *exec.ExitError or an *Exit, an *Exceeded, or an error of this machine, such as ErrNoRoom.
	Run(context.Context, Command, Limits) error
}

// Exit is how a command ended that ran on another machine.
type Exit struct{ Code int }

func (e *Exit) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// Ended says whether an error is the command's own end.
func Ended(err error) bool {
	_, here := errors.AsType[*exec.ExitError](err)
	_, there := errors.AsType[*Exit](err)
	return here || there
}

// ErrNoRoom ends a command before the disk is full, whoever filled it: a file that no
// folder names any longer takes room that cannot be counted.
var ErrNoRoom = errors.New("less than " + size(reserve) + " are left on the disk")

// reserve is what a command leaves of the disk below Write: bytes.
const reserve = 256 << 20

// Exceeded says which limit ended a command.
type Exceeded struct {
	What string // "memory", "disk", "files", "processes", "time"
	Text string // "more than 4.0 GiB of memory"
}

func (e *Exceeded) Error() string { return "it was ended because it used " + e.Text }

// Over says that a limit was exceeded, in the words that are the same at every level.
func Over(what string, limits Limits) *Exceeded {
	return &Exceeded{what, map[string]string{
		"memory": "more than " + size(limits.Memory) + " of memory", "disk": "more than " + size(limits.Disk) + " of disk",
		"files": fmt.Sprintf("more than %d files", limits.Files), "processes": fmt.Sprintf("more than %d processes and threads", limits.Processes),
		"time": fmt.Sprintf("more than %s", limits.Time),
	}[what]}
}

// size writes bytes for people.
func size(bytes int64) string {
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
}
