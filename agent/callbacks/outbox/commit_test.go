package outbox

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestCallersThatComeAtOnceShareOneSync(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	run(t, o)
	const ranks = 8
	o.queue.journal.syncing.Lock() // as if a sync were under way
	shared := o.queue.journal.batch
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
	o.queue.journal.syncing.Unlock()
	wg.Wait()
	flush(t, o)
	o.queue.mu.Lock()
	defer o.queue.mu.Unlock()
	if !shared.synced || o.queue.journal.batch == shared || o.queue.journal.batch.synced {
		t.Errorf("the batch of all is synced: %v; there was another one: %v", shared.synced, o.queue.journal.batch.synced)
	}
	if n := len(b.got()); n != ranks {
		t.Errorf("%d messages arrived, want %d", n, ranks)
	}
}

func TestTheFinalMessageWaitsForOneThatIsOnItsWayToTheDisk(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	o.queue.journal.syncing.Lock() // as if a sync were under way
	var wg sync.WaitGroup
	wg.Go(func() { appendAll(t, o, event("before")) })
	for o.Pending().Depth < 1 {
		runtime.Gosched()
	}
	if err := o.AppendFinal(message(contract.KindDone, map[string]any{"status": "succeeded"})); err != nil {
		t.Error(err)
	}
	if r, found, err := o.sender.queue.head(); found || err != nil {
		t.Errorf("%s is sent first (%v)", r.body, err)
	}
	o.queue.journal.syncing.Unlock()
	wg.Wait()
	run(t, o)
	flush(t, o)
	if got := b.got(); len(got) != 2 || !strings.HasSuffix(got[1].path, "/done") {
		t.Errorf("%+v", got)
	}
}
