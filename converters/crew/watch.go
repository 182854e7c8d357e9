package crew

import (
	"context"
	"sync/atomic"
)

// A watch hears of the panics of goroutines that nobody waits for.
type watch struct {
	end   context.CancelCauseFunc
	first atomic.Pointer[Panic]
}

// watching is one for the process, as a panic is: a goroutine may be left behind by the
// one that started it, and knows nobody to tell.
var watching atomic.Pointer[watch]

// Watch returns a ctx that ends with the first panic of a goroutine of Go or Guarded,
// which is then its cause. It holds until the next Watch. Without one such a panic ends
// the process, as Go has it.
func Watch(parent context.Context) context.Context {
	ctx, end := context.WithCancelCause(parent)
	watching.Store(&watch{end: end})
	return ctx
}

// Fault is the first panic since Watch, nil when there was none.
func Fault() *Panic {
	if w := watching.Load(); w != nil {
		return w.first.Load()
	}
	return nil
}

// Go calls f in a goroutine that nobody waits for, or that tells its end by a channel:
// that must be closed by a defer.
func Go(f func()) { go Guarded(f)() }

// Guarded is f for a goroutine that another package starts: sync.WaitGroup.Go,
// context.AfterFunc.
func Guarded(f func()) func() {
	return func() {
		defer report()
		f()
	}
}

// report is deferred.
func report() {
	w := watching.Load()
	if w == nil {
		return // the panic goes on
	}
	if value := recover(); value != nil {
		p := Recovered(value)
		w.first.CompareAndSwap(nil, p)
		w.end(p)
	}
}
