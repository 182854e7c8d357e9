package outbox

import (
	"runtime"
	"strconv"
	"sync"
	"testing"
)

func TestCallersThatComeAtOnceShareOneSync(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	run(t, o)
	const ranks = 8
	o.syncing.Lock() // as if a sync were under way
	shared := o.batch
	var wg sync.WaitGroup
	for rank := range ranks {
		wg.Go(func() { appendAll(t, o, event("event-"+strconv.Itoa(rank))) })
	}
	for o.Pending().Depth < ranks {
		runtime.Gosched()
	}
	if n := len(b.got()); n != 0 {
		t.Errorf("%d messages were sent before they were on disk", n)
	}
	o.syncing.Unlock()
	wg.Wait()
	flush(t, o)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !shared.synced || o.batch == shared || o.batch.synced {
		t.Errorf("the batch of all is synced: %v; there was another one: %v", shared.synced, o.batch.synced)
	}
	if n := len(b.got()); n != ranks {
		t.Errorf("%d messages arrived, want %d", n, ranks)
	}
}
