package start

import (
	"runtime"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// onOwnThread runs f on a thread that ends with it: a locked goroutine that
// returns takes its thread along. Only the process's first thread cannot end: Go
// parks it for ever, with whatever f did to it, so it is held here until another
// thread has done the work.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if !onFirstThread() {
		f()
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	crew.Go(func() {
		defer close(done)
		onOwnThread(f)
	})
	<-done
}
