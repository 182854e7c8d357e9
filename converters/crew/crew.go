// Package crew runs every goroutine of the agent and the converters.
//
// It promises that a panic in one is a panic of the one that waits for it (Group), or
// ends the context of the one that watches (Go, Guarded and Watch), with the stack of
// where it was. A panic that nobody recovers ends the process: the agent would be gone
// without a word to the backend.
package crew

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Panic is the panic of another goroutine.
type Panic struct {
	Value any
	Stack []byte // of that goroutine
}

func (p *Panic) Error() string { return fmt.Sprint(p.Value) }

// Recovered is what recover returned, with the stack of the first goroutine that it ended.
func Recovered(value any) *Panic {
	if p, ok := value.(*Panic); ok {
		return p
	}
	return &Panic{Value: value, Stack: debug.Stack()}
}

// A Group is an errgroup.Group whose Wait panics when one of its goroutines has. That
// package leaves a panic to the process on purpose, which is a crash.
type Group struct {
	group    *errgroup.Group
	panicked atomic.Pointer[Panic]
}

// New is a Group that goes on after an error.
func New() *Group { return &Group{group: new(errgroup.Group)} }

// WithContext is a Group whose context ends with the first error or panic, and with Wait.
func WithContext(ctx context.Context) (*Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &Group{group: group}, ctx
}

// SetLimit bounds how many run at once; it comes before Go.
func (g *Group) SetLimit(n int) { g.group.SetLimit(n) }

// Go calls f in a goroutine, once the limit allows it.
func (g *Group) Go(f func() error) {
	g.group.Go(func() error {
		err := Try(f)
		if p, ok := errors.AsType[*Panic](err); ok {
			g.panicked.CompareAndSwap(nil, p)
		}
		return err
	})
}

// Try calls f; a panic of it is an error, a *Panic.
func Try(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = Recovered(value)
		}
	}()
	return f()
}

// Wait returns the first error when all have ended, or panics with the first *Panic.
func (g *Group) Wait() error {
	err := g.group.Wait()
	if p := g.panicked.Load(); p != nil {
		panic(p)
	}
	return err
}
