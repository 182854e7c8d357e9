package table

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Process is one row of the process table.
type Process struct {
	PID     int
	PPID    int
	Group   int
	Session int
	Name    string // as the kernel keeps it: at most 15 bytes
	State   byte   // proc(5): R running, S sleeping, D uninterruptible, T stopped, Z zombie
	Threads int
	CPU     time.Duration // user and system, its own and that of children it waited for
	RSS     int64         // bytes
	started uint64        // clock ticks after boot; with PID it names a process for ever
}

// String is "4711 (python, state D)".
func (p Process) String() string { return fmt.Sprintf("%d (%s, state %c)", p.PID, p.Name, p.State) }

// Dead reports that the process has ended, though it may not be reaped yet. One whose
// first thread alone has ended is shown as a zombie too, and its other threads go on.
func (p Process) Dead() bool { return p.State == 'X' || p.State == 'Z' && p.Threads <= 1 }

// userHz is the unit of times in /proc/PID/stat: the kernel shows USER_HZ, which
// is 100 on every architecture that Go supports (include/asm-generic/param.h).
const userHz = 100

// Positions in /proc/PID/stat after the name's closing parenthesis (proc(5)
// counts from 1 and has the state as 3).
const (
	fieldState     = 0
	fieldPPID      = 1
	fieldGroup     = 2
	fieldSession   = 3
	fieldUser      = 11
	fieldSystem    = 12
	fieldWaitedFor = 13 // user time of children waited for; system is the next
	fieldThreads   = 17
	fieldStarted   = 19
	fieldRSS       = 21 // pages
	statFields     = 22
)

var errStat = errors.New("not a line of /proc/PID/stat")

// parseStat reads one /proc/PID/stat. The name may hold anything, spaces and
// parentheses included, so the last parenthesis ends it.
func parseStat(raw []byte, pageSize int64) (Process, error) {
	begin, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if begin < 1 || end < begin {
		return Process{}, errStat
	}
	fields := bytes.Fields(raw[end+1:])
	if len(fields) < statFields || len(fields[fieldState]) != 1 {
		return Process{}, errStat
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(raw[:begin])))
	if err != nil {
		return Process{}, errStat
	}
	var failed error
	number := func(i int) int64 {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		failed = errors.Join(failed, err)
		return n
	}
	ticks := number(fieldUser) + number(fieldSystem) + number(fieldWaitedFor) + number(fieldWaitedFor+1)
	p := Process{
		PID: pid, PPID: int(number(fieldPPID)), Group: int(number(fieldGroup)), Session: int(number(fieldSession)),
		Name: string(raw[begin+1 : end]), State: fields[fieldState][0], Threads: int(number(fieldThreads)),
		CPU: time.Duration(ticks) * time.Second / userHz, RSS: number(fieldRSS) * pageSize,
		started: uint64(number(fieldStarted)),
	}
	if failed != nil {
		return Process{}, errStat
	}
	return p, nil
}

// Descent picks from a process table what descends from root, root itself not
// included, without the subtrees and sessions of the processes in except.
// Orphans have lost their ancestry but not their session, so that is what tells
// whose they are.
func Descent(table []Process, root int, except map[int]bool) []Process {
	children := map[int][]Process{}
	for _, p := range table {
		children[p.PPID] = append(children[p.PPID], p)
	}
	var found []Process
	seen := map[int]bool{root: true} // the table is no snapshot: it may hold a loop
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, p := range children[next[0]] {
			if seen[p.PID] || except[p.PID] || except[p.Session] {
				continue
			}
			seen[p.PID] = true
			found = append(found, p)
			next = append(next, p.PID)
		}
	}
	return found
}

// Family are pid, its descendants, and its session.
func Family(table []Process, pid int) []Process {
	found := Descent(table, pid, nil)
	seen := map[int]bool{}
	for _, p := range found {
		seen[p.PID] = true
	}
	for _, p := range table {
		if !seen[p.PID] && (p.PID == pid || p.Session == pid) {
			found = append(found, p)
		}
	}
	return found
}
