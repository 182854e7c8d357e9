package job

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// startEvents are what a trainer says of where it starts: from which weights, and
// with which settings that nobody set. A person wants them at the end too, in this order.
var startEvents = []contract.EventType{"weights_loaded", "training_from_scratch", "settings_chosen"}

// earlyStopped is what a trainer says when it ends before EPOCHS on purpose.
const earlyStopped contract.EventType = "early_stopped"

// maxStart bounds one of them, in bytes.
const maxStart = 500

// start is the newest message of each of startEvents.
type start [3]string

func (s *start) observe(e contract.Event) {
	i := slices.Index(startEvents, e.EventType)
	if i < 0 {
		return
	}
	s[i] = shortened(e.Message)
}

func shortened(text string) string {
	if len(text) > maxStart {
		text = strings.ToValidUTF8(text[:maxStart], "") + "…"
	}
	return text
}

func (s *start) lines() []string {
	return slices.DeleteFunc(slices.Clone(s[:]), func(text string) bool { return text == "" })
}
