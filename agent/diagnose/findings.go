package diagnose

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

// findings is the evidence of one run with its log read, once for all rules.
type findings struct {
	Evidence
	log        logtext.Log
	exceptions []logtext.Exception // that may have ended the run, the likeliest first
	signal     string              // that ended the training's process, "" when it left by itself
	patience   logtext.Patience    // what ordinary output proves that an error was survived
}

func read(e Evidence) findings {
	c := findings{Evidence: e, log: logtext.Read(e.LogTail), patience: logtext.Ended}
	c.signal = endingSignal(e, c.log.Launch)
	if fromOutside(c.signal) {
		c.patience = logtext.Killed
	}
	c.exceptions = suspects(c.log, c.patience)
	if x, ok := logtext.Elastic(e.TorchElasticError); ok && !wraps(x) {
		c.exceptions = append([]logtext.Exception{x}, c.exceptions...)
	}
	return c
}

// endingSignal is the signal that ended the child or, where a launcher or a shell
// stands in between, the process that trained.
func endingSignal(e Evidence, launch logtext.Launch) string {
	switch {
	case e.Signal != 0:
		return logtext.SignalName(e.Signal)
	case e.ExitCode > 128 && e.ExitCode <= 128+64:
		return logtext.SignalName(e.ExitCode - 128) // a shell tells its child's signal this way
	case launch.Received != "":
		return launch.Received
	case launch.Exit != 0:
		return ""
	}
	return launch.Signal
}

// fromOutside are the signals that no fault of the process's own raises.
func fromOutside(signal string) bool {
	switch unix.SignalNum(signal) {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGHUP, unix.SIGINT:
		return true
	}
	return false
}

// says finds a fact in how the child ended, in what it raised, or in a line.
func says(c findings, fact *pattern.Pattern) bool {
	if c.signal != "" && fact.Match(c.signal) {
		return true
	}
	_, ok := factOf(c, fact)
	return ok
}

// factOf looks in the exceptions first, then in the lines.
func factOf(c findings, fact *pattern.Pattern) (string, bool) {
	for _, x := range c.exceptions {
		if m := fact.Find(x.Text()); m != "" {
			return m, true
		}
	}
	return c.log.Says(fact, c.patience)
}

// quote is what the child printed about its end: the likeliest exception with its
// traceback, or the last lines.
func quote(c findings) []string {
	if len(c.exceptions) > 0 {
		return quoteOf(c.exceptions[0])
	}
	return c.log.Last(10)
}

// quoteOf is the block with its end first, since the end tells most.
func quoteOf(x logtext.Exception) []string {
	end := strings.Split(clip(x.Text()), "\n")
	out := append([]string{}, end[:min(len(end), 4)]...)
	for _, l := range x.Block[max(0, len(x.Block)-(maxEvidence-8)):] {
		if strings.TrimSpace(l) != "" {
			out = append(out, l)
		}
	}
	return out
}
