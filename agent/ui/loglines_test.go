package ui

import (
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
)

// TestPaceOfProgressLines: an hour of download is some dozens of lines, a moment
// none, and a thousand short epochs no more than ten and one.
func TestPaceOfProgressLines(t *testing.T) {
	for name, c := range map[string]struct {
		steps int
		each  time.Duration
		gap   time.Duration
		want  int
	}{
		"an hour, evenly":       {3600, time.Second, sayAtMost, 119},
		"two seconds":           {20, 100 * time.Millisecond, sayAtMost, 0},
		"a minute":              {60, time.Second, sayAtMost, 9},
		"a thousand epochs":     {1000, 10 * time.Millisecond, 0, 9},
		"ten epochs of an hour": {10, time.Hour, 0, 9},
	} {
		t.Run(name, func(t *testing.T) {
			now, lines := time.Unix(0, 0), 0
			var p pace
			for i := 1; i <= c.steps; i++ {
				now = now.Add(c.each)
				if p.due(now, "phase", 100*float64(i)/float64(c.steps), c.gap) {
					lines++
				}
			}
			if lines < c.want-1 || lines > c.want+1 {
				t.Errorf("%d lines, want %d", lines, c.want)
			}
		})
	}
}

func TestTimeLeftLeavesOutWhatAnEarlierRunDid(t *testing.T) {
	at := time.Unix(1000, 0)
	j := Job{Epochs: 10, Now: func() time.Time { return at.Add(40 * time.Second) }}
	// Six of ten epochs came from an earlier run; one more took 40 seconds.
	v := job.View{Phase: job.Phase{Since: at}, PercentAt: at.Add(40 * time.Second), Percent: 70, Resumed: 6}
	if left, ok := j.timeLeft(v); !ok || left != 2*time.Minute {
		t.Errorf("%v %v", left, ok)
	}
	v.Percent = 60
	if left, ok := j.timeLeft(v); ok {
		t.Errorf("%v after nothing", left)
	}
}
