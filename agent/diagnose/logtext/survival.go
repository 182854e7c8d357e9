package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/agent/internal/logline"
)

// following counts what a process printed after a line.
type following struct {
	progress int // epochs, steps, losses
	ordinary int // further lines that belong to no error, progress included
}

var (
	progress = pattern.Of(`(?i)\bepochs?\b\W{0,4}\d|\b(?:step|iter(?:ation)?s?|batch)\b\W{0,4}\d+|\d(?:s/it|it/s|s/step)\b|['"]?\b\w*loss\w*['"]?\s*[:=]\s*\d|\b(?:ETA|eta)\b ?:|\bheartbeat\b`)
	bar      = pattern.Of(`\d%\|`)
	trouble  = pattern.Of(`(?i)error|exception|failed|failure|fatal|abort|traceback|killed|warn|terminat|signal|crash|shutting down|exitcode|\bexit(?:ed|ing)?\b|stack trace|debug`)
	// What is printed because the end has come: by launchers, trackers, shells.
	farewell = pattern.Of(`^(?:wandb|swanlab|mlflow|comet(?:_ml)?)\b|^COMET |torch/distributed|^[=\-*#~_]{4,}|^\s*(?:Failures|Root Cause|<NO_OTHER|\[\d+\]):|^Set (?:the environment|TORCH_)|^You can |^Compile with|^For debugging|^CUDA kernel errors|^Please |^Original exception|^terminate called|frame #|^Sentry|^\d+ (?:successful operations|derived errors)`)
)

// likeProgress: the line tells how far the training is.
func likeProgress(l string) bool { return (progress.Match(l) || bar.Match(l)) && !trouble.Match(l) }

func followings(lines []Line) []following {
	out := make([]following, len(lines))
	soFar := map[string]following{}
	for i := len(lines) - 1; i >= 0; i-- {
		l := lines[i]
		f := soFar[l.Process]
		out[i] = f
		switch {
		case logline.Continues(l.Text) && !bar.Match(l.Text), logline.Dumped(l.Text), farewell.Match(l.Text), trouble.Match(l.Text), logline.OpensError(l.Text):
		case likeProgress(l.Text):
			f.progress += 1 + l.Like
			f.ordinary += 1 + l.Like
		default:
			f.ordinary += 1 + l.Like
		}
		soFar[l.Process] = f
	}
	return out
}

// Patience is how much ordinary output after an error proves that it was survived.
type Patience struct {
	Progress, Ordinary int
	// FromHead counts the further lines of a message too, which may as well be
	// ordinary output: nothing in the log tells them apart.
	FromHead bool
}

// Killed is for a process that was ended from outside: it had no reason of its own
// to end, so little proves that it went on. Ended is for one that left by itself:
// its last error most probably is the reason, unless it trained on for long.
var (
	Killed = Patience{Progress: 1, Ordinary: 5, FromHead: true}
	Ended  = Patience{Progress: 4, Ordinary: 40}
)

// Survived reports whether a process went on after an exception.
func (g Log) Survived(x Exception, p Patience) bool {
	if p.FromHead {
		return g.wentOn(x.head, p)
	}
	return g.wentOn(x.end, p)
}

func (g Log) wentOn(line int, p Patience) bool {
	if line >= len(g.after) {
		return false
	}
	f := g.after[line]
	return f.progress >= p.Progress || f.ordinary >= p.Ordinary
}

// Wording by which a program guesses or advises; never a fact.
var advice = pattern.Of(`(?i)might be|may be caused|could be (due|caused)|please try|please check|consider |you can try|try (to )?(reduc|set|increas)|if reserved (but unallocated )?memory is|to avoid|in case of|if you (?:see|get|run into)`)

// Wording by which a program says that it goes on.
var passedOver = pattern.Of(`(?i)\b(?:skipp(?:ed|ing)|ignor(?:ed|ing)|continu(?:es|ing)|retrying|will retry|fall(?:s|ing) back)\b`)

// A line at this level tells of something that was survived.
var levelled = pattern.Of(`(?i)^\W*(\S+\s+){0,3}(warn(ing)?|info|debug|userwarning|futurewarning)\b|warning ⚠|^\W*[IW]\d{4} |^\[rank\d+\]:\[W|^\[W\d* `)

// Warns reports that the line is of a level that nobody leaves a program at.
func Warns(l string) bool { return levelled.Match(l) && !reported.Match(l) }

// reported is how a runtime passes an error on, at whatever level.
var reported = pattern.Of(`Error reported to Coordinator|OP_REQUIRES failed`)

// stackHead is C++'s line above a stack, which repeats no reason.
var stackHead = pattern.Of(`^Exception raised from .+most recent call first`)

// maxFact is how much of a line is searched for a fact, in bytes: every expression
// of every table is tried on every line.
const maxFact = 600

// Says finds the last line that states a fact, and that was not survived: advice, warnings
// and what a program went on from are left out.
func (g Log) Says(fact *pattern.Pattern, p Patience) (string, bool) {
	for i := len(g.Lines) - 1; i >= 0; i-- {
		l := g.Lines[i].Text
		l = l[:min(len(l), maxFact)]
		at := fact.At(l)
		if at < 0 || stackHead.Match(l) || Warns(l) || passedOver.Match(l) || g.wentOn(i, p) {
			continue
		}
		if a := advice.At(l); a >= 0 && a <= at {
			continue
		}
		return l, true
	}
	return "", false
}

// Mentions finds the first line that has a text, warnings and advice included: for
// what explains an exception that is known already.
func (g Log) Mentions(text *pattern.Pattern) (string, bool) {
	for _, l := range g.Lines {
		if text.Match(l.Text) {
			return strings.TrimSpace(l.Text), true
		}
	}
	return "", false
}
