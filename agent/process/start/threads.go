package start

import (
	"runtime"
	"sync"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// spareThreads are made before the first child starts. Go's runtime ends the
// process when the kernel refuses it a thread, and a child that forks without end
// makes the kernel refuse; threads that are there already are used again and again.
// So many system calls of the agent may block at once: uploads, the log, the
// outbox, /proc. One takes 20 KB.
const spareThreads = 24

// SpareThreads makes them, fewer under limits so low that they would be eaten by the
// spare ones.
func SpareThreads() { makeThreads(threadsToMake()) }

// makeThreads makes sure of n threads: as many goroutines hold one each, until all
// of them do. The runtime never gives one back that a goroutine unlocked.
func makeThreads(n int) {
	var held sync.WaitGroup
	release := make(chan struct{})
	held.Add(n)
	for range n {
		crew.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			held.Done()
			<-release
		})
	}
	held.Wait()
	close(release)
}
