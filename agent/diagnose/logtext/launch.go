package logtext

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// Launch is what a launcher of several processes, or a shell, said of their ends.
type Launch struct {
	Signal   string // that ended a process: "SIGKILL", "" when none is told
	Received string // that the launcher itself got from outside
	Exit     int    // the code of a process that left by itself, 0 when none is told
	Rank     string // of the process that failed first, "" when it is not told
	Line     string // where it stands
	Before   string // the last line before its report, "" when there is none or an exception ends there
}

var (
	endedBy = pattern.Of(`exitcode\s*:\s*-(\d+) \(pid|failed \(exitcode: -(\d+)\)|terminated with signal (SIG\w+)|Command '\[?'?\S*python[\d.]*'.* died with <Signals\.(SIG\w+): \d+>|Signal \d+ \((SIG\w+)\) received by PID|exited on signal (\d+)|exits with return code = -(\d+)|^(?:\S+: line \d+:)?\s*(?:\d+ )?(Killed|Terminated|Hangup|Segmentation fault|Bus error|Illegal instruction|Floating point exception|Aborted)(?:\s{2,}|\s*\(core dumped\)|$)`)
	exited  = pattern.Of(`exitcode\s*:\s*([1-9]\d*) \(pid|failed \(exitcode: ([1-9]\d*)\)|terminated with exit code ([1-9]\d*)|returned non-zero exit status ([1-9]\d*)|exits with return code = ([1-9]\d*)`)
	got     = pattern.Of(`SignalException: Process \d+ got signal: (\d+)|Received (\d+) death signal, shutting down|Received Signals\.(SIG\w+) death signal|Sending process \d+ closing signal (SIGHUP|SIGINT)|^(?:slurmstepd|srun): error: \*\*\* .{0,80} (CANCELLED) `)
	root    = pattern.Of(`(?:^|\s)rank\s*: (\d+) \(local_rank`)
)

// rootCause heads what torchrun says of the process that failed first. The signals
// that it tells of the others are its own: it ends them after the first failure.
var rootCause = pattern.Of(`^Root Cause \(first observed failure\):`)

func launchOf(lines []Line) Launch {
	var n Launch
	first := slices.IndexFunc(lines, func(l Line) bool { return rootCause.Match(l.Text) })
	for i := len(lines) - 1; i >= 0; i-- {
		l := lines[i].Text
		if m := endedBy.Groups(l); m != nil && n.Signal == "" && i >= first {
			n.Signal, n.Line = signalOf(m[1:]), l
		}
		if m := exited.Groups(l); m != nil {
			if n.Exit == 0 {
				n.Exit, _ = strconv.Atoi(strings.Join(m[1:], ""))
			}
			n.Before = saidBefore(lines, i) // the first report is the last that is seen
		}
		if m := got.Groups(l); m != nil && n.Received == "" {
			n.Received = signalOf(m[1:])
			if n.Line == "" {
				n.Line = l
			}
		}
		if m := root.Groups(l); m != nil && n.Rank == "" {
			n.Rank = m[1]
		}
	}
	return n
}

// launching are a launcher's own lines around its report.
var launching = pattern.Of(`torch[./]distributed|closing signal|Setting OMP_NUM_THREADS|deepspeed|launch\.py|accelerate`)

// saidBefore is the last thing that was printed before the line at.
func saidBefore(lines []Line, at int) string {
	for _, l := range slices.Backward(lines[:at]) {
		switch {
		case blank(l.Text), launching.Match(l.Text), farewell.Match(l.Text):
		case logline.Continues(l.Text):
			return "" // inside something longer
		default:
			return strings.TrimSpace(l.Text)
		}
	}
	return ""
}

// words are how a shell tells of a signal.
var words = map[string]string{
	"Killed": "SIGKILL", "Terminated": "SIGTERM", "CANCELLED": "SIGTERM", "Hangup": "SIGHUP", "Segmentation fault": "SIGSEGV", "Bus error": "SIGBUS",
	"Illegal instruction": "SIGILL", "Floating point exception": "SIGFPE", "Aborted": "SIGABRT",
}

func signalOf(groups []string) string {
	for _, g := range groups {
		if g == "" {
			continue
		}
		if n, err := strconv.Atoi(g); err == nil {
			return SignalName(n)
		}
		if w := words[g]; w != "" {
			return w
		}
		return g
	}
	return ""
}
