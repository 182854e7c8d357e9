package agent

import "context"

// background is one goroutine with an end.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func start(parent context.Context, f func(context.Context)) *background {
	ctx, cancel := context.WithCancel(parent)
	b := &background{cancel, make(chan struct{})}
	go func() {
		defer close(b.done)
		f(ctx)
	}()
	return b
}

// stop ends the goroutine and waits for it; a nil background has ended.
func (b *background) stop() {
	if b == nil {
		return
	}
	b.cancel()
	<-b.done
}
