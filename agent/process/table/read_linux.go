package table

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

var pageSize = int64(os.Getpagesize())

// Read reads every process that /proc shows. Processes that end
// meanwhile are left out.
func Read() ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("reading the process table: %w", err)
	}
	defer dir.Close() //nolint:errcheck // read only
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("reading the process table: %w", err)
	}
	table := make([]Process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := Of(pid); err == nil {
			table = append(table, p)
		}
	}
	return table, nil
}

// Of reads one process from /proc.
func Of(pid int) (Process, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, err
	}
	return parseStat(raw, pageSize)
}

// Stopped reports that a process is stopped by a signal or by a debugger.
func Stopped(pid int) bool {
	p, err := Of(pid)
	return err == nil && (p.State == 'T' || p.State == 't')
}

// Kill ends exactly this process.
func (p Process) Kill() { p.Signal(unix.SIGKILL) }

// Signal reaches exactly this process or none: the descriptor holds on to it, the
// start time tells whether it was still the same when the descriptor was made.
func (p Process) Signal(sig unix.Signal) bool {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.3, and in gVisor
		return p.Same() && unix.Kill(p.PID, sig) == nil
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // nothing to lose
	return p.Same() && unix.PidfdSendSignal(fd, sig, nil, 0) == nil
}

// Is reports that both name one process.
func (p Process) Is(q Process) bool { return p.PID == q.PID && p.started == q.started }

// Same reports that the process is still there, alive or waiting to be reaped.
func (p Process) Same() bool {
	now, err := Of(p.PID)
	return err == nil && now.started == p.started
}
