package process

import (
	"runtime"
)

// onOwnThread runs f on a thread that ends with it: a locked goroutine that
// returns takes its thread along.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	f()
}
