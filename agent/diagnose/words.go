package diagnose

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/contract"
)

// fill puts the job's settings into a hint: "{batch_size}" becomes " (now 64)",
// or nothing when the setting is not known.
func fill(s Settings, hint string) string {
	now := func(v any, known bool) string {
		if !known {
			return ""
		}
		return fmt.Sprintf(" (now %v)", v)
	}
	return strings.NewReplacer(
		"{batch_size}", now(s.BatchSize, s.BatchSize > 0),
		"{num_workers}", now(s.NumWorkers, s.NumWorkers > 0),
		"{image_size}", now(s.ImageSize, s.ImageSize > 0),
		"{learning_rate}", now(s.LearningRate, s.LearningRate > 0),
	).Replace(hint)
}

// failed is a plain failure of the training, with a hint whose settings are filled.
func failed(s Settings, message, hint string) *contract.Failure {
	return contract.Failf(contract.CodeTrainingFailed, "%s", message).WithHint("%s", fill(s, hint))
}

// as changes the type of a failure and whether another try may help.
func as(f *contract.Failure, kind contract.FailureType) *contract.Failure {
	if kind != "" {
		f.Type, f.Retryable = kind, kind == contract.FailureTransient
	}
	return f
}

// place is " (train.py, line 12 in main)", or nothing.
func place(x logtext.Exception) string {
	f, ok := x.Where()
	if !ok {
		return ""
	}
	in := ""
	if f.Func != "" && f.Func != "<module>" {
		in = " in " + f.Func
	}
	return fmt.Sprintf(" (%s, line %d%s)", filepath.Base(f.File), f.Line, in)
}

// ownPlace is place where the file is the user's, for a sentence of ours.
func ownPlace(x logtext.Exception) string {
	if f, ok := x.Where(); !ok || logtext.IsLibrary(f.File) {
		return ""
	}
	return place(x)
}

// at is "It happened at train.py, line 12 in main. ", for a hint.
func at(x logtext.Exception) string {
	if p := ownPlace(x); p != "" {
		return "It happened at " + strings.Trim(p, " ()") + ". "
	}
	return ""
}

func afterEpoch(e Evidence) string {
	if e.LastEpoch <= 0 {
		return ""
	}
	return fmt.Sprintf(" after epoch %d", e.LastEpoch)
}

// ago tells how long before the child's end something happened.
func ago(e Evidence, at time.Time) string {
	if e.Ended.IsZero() || at.IsZero() || at.After(e.Ended) {
		return "as training failed"
	}
	return fmt.Sprintf("%.0f s before training failed", e.Ended.Sub(at).Seconds())
}

func within(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%v)", d)
}

func forAWhile(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf(" for %v", d)
}

// trimStop takes a full stop off, where the sentence goes on.
func trimStop(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".") }

// withStop puts a full stop behind a sentence that has no end of its own.
func withStop(s string) string {
	if strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// clip shortens to at most maxLine bytes without cutting a character in two.
func clip(s string) string {
	if len(s) <= maxLine {
		return s
	}
	cut := maxLine - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
