package crew

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestAPanicThatNobodyWaitsForEndsWhatIsWatched(t *testing.T) {
	for name, start := range map[string]func(f func()){
		"a goroutine":        Go,
		"one of a WaitGroup": func(f func()) { new(sync.WaitGroup).Go(Guarded(f)) },
		"one at the end of a ctx": func(f func()) {
			ended, end := context.WithCancel(t.Context())
			context.AfterFunc(ended, Guarded(f))
			end()
		},
		"the second one that panics": func(f func()) { Go(f); Go(f) },
	} {
		ctx := Watch(t.Context())
		if p := Fault(); p != nil {
			t.Errorf("%s: %v before anything", name, p)
		}
		start(width)
		<-ctx.Done()
		p, ok := errors.AsType[*Panic](context.Cause(ctx))
		if !ok || p.Error() != "width × height" || !strings.Contains(string(p.Stack), "crew.width") || Fault() == nil {
			t.Errorf("%s: %v, %v", name, context.Cause(ctx), Fault())
		}
	}
}

func TestAnErrorOfTryIsItsOwn(t *testing.T) {
	away := errors.New("the store is away")
	if err := Try(func() error { return away }); !errors.Is(err, away) {
		t.Error(err)
	}
	if _, ok := errors.AsType[*Panic](Try(func() error { width(); return nil })); !ok {
		t.Error("a panic is no error")
	}
}
