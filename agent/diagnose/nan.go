package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

var (
	// numeric are the exceptions in which a NaN shows up; with a NaN loss in the last
	// epoch they are its consequence.
	numeric = pattern.Of(`(?i)\bnan\b|\binf\b|infinite|non-finite|invalid (numeric|value)|degenerate|boxes1\[`)
	// nanAt is where a framework says that it saw the loss become NaN.
	nanAt = pattern.Of(`(?i)\b(?:at|in) (iteration|iter|step|epoch|batch)\W{0,3}(\d+)`)
)

// lossWasNaN: the last finished epoch, or the one after it, had a NaN loss.
func lossWasNaN(e Evidence) bool {
	n := len(e.NaNEpochs)
	return n > 0 && e.NaNEpochs[n-1] >= e.LastEpoch
}

// nanFailure says where: the epoch that the history knows, the step that the
// exception names, and the user's own line.
func nanFailure(c findings, x *logtext.Exception) *contract.Failure {
	where, line := "", ""
	if x != nil {
		line = at(*x)
		if m := nanAt.Groups(x.Text()); m != nil {
			where = sprintf(" at %s %s", m[1], m[2])
		}
	}
	if len(c.NaNEpochs) > 0 {
		where = sprintf(" in epoch %d", c.NaNEpochs[0])
	}
	f := contract.Failf(contract.CodeNaNLoss, "The loss became NaN or infinite%s.", where)
	return f.WithHint("%s%s", line, fill(c.Settings, "Try a lower LEARNING_RATE{learning_rate}, warm-up epochs or full precision, and check the labels."))
}
