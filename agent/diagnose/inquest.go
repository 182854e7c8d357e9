package diagnose

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// inquest is the evidence of one run, read once for all rules.
type inquest struct {
	Evidence
	lines      []string    // the log's tail, cleaned of terminal codes and rank prefixes
	exceptions []exception // uncaught Python exceptions, the likeliest cause first
}

func open(e Evidence) *inquest {
	c := &inquest{Evidence: e, lines: cleanLines(e.LogTail)}
	c.exceptions = exceptionsOf(c.lines)
	if x, ok := elasticException(e.TorchElasticError); ok {
		c.exceptions = append([]exception{x}, c.exceptions...)
	}
	return c
}

// ago tells how long before the child's end something happened.
func (c *inquest) ago(at time.Time) string {
	if c.Ended.IsZero() || at.IsZero() || at.After(c.Ended) {
		return "as training failed"
	}
	return fmt.Sprintf("%.0f s before training failed", c.Ended.Sub(at).Seconds())
}

// fill puts the job's settings into a hint: "{batch_size}" becomes " (now 64)",
// or nothing when the setting is not known.
func (s Settings) fill(hint string) string {
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
