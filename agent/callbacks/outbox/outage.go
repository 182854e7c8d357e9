package outbox

import (
	"log/slog"
	"time"
)

// outageEvery is the least time between two lines about one outage.
const outageEvery = 10 * time.Minute

// An outageLog speaks of an outage without filling the log: a line when it
// begins, one every ten minutes, one when it is over.
type outageLog struct {
	log   *slog.Logger
	now   func() time.Time
	since time.Time
	said  time.Time
	tries int
}

func (l *outageLog) failed(err error, wait time.Duration) {
	now := l.now()
	if l.tries == 0 {
		l.since = now
	}
	l.tries++
	if l.tries > 1 && now.Sub(l.said) < outageEvery {
		return
	}
	l.said = now
	l.log.Warn("the backend does not take messages, they wait in the outbox",
		"error", err, "tries", l.tries, "since", age(now, l.since).Round(time.Second), "next_try_in", wait.Round(time.Millisecond))
}

func (l *outageLog) recovered() {
	if l.tries == 0 {
		return
	}
	l.log.Info("the backend takes messages again",
		"tries", l.tries, "outage", age(l.now(), l.since).Round(time.Second))
	l.tries = 0
}
