package start

import (
	"runtime"
	"sync"
	"testing"
)

// Seen in CI: the goroutine that sets no_new_privs happened to run on the
// process's first thread, which Go never ends, so the agent itself kept it.
func TestTheFirstThreadIsNeverGivenAway(t *testing.T) {
	var all sync.WaitGroup
	onFirst := make(chan bool, 64)
	for range cap(onFirst) { // enough at once that one of them is on the first thread
		all.Go(func() {
			onOwnThread(func() {
				onFirst <- onFirstThread()
				runtime.Gosched()
			})
		})
	}
	all.Wait()
	close(onFirst)
	for first := range onFirst {
		if first {
			t.Fatal("the first thread was used")
		}
	}
}
