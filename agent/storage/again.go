package storage

import (
	"context"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// againEvery is how often it is said that requests are tried again.
const againEvery = time.Minute

// again says at once why a request is tried again, in the sentence that will end the
// job if no try succeeds, and then once a minute: a person who waits should not have
// to wait for the last try to read it.
func (s place) again() func(error) {
	var mu sync.Mutex
	var said time.Time
	return func(err error) {
		now := s.cfg.Now()
		mu.Lock()
		defer mu.Unlock()
		if !said.IsZero() && now.Sub(said) < againEvery {
			return
		}
		said = now
		reason := contract.AsFailure(s.explain(context.Background(), "speaking to", "", err))
		s.cfg.Log.Warn("a request to the store failed and is tried again", "reason", reason.Line())
	}
}
