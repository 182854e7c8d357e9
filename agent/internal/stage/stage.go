// Package stage is what a job's life is made of: parts that a Runner starts in order and
// stops in reverse.
//
// It promises that a panic in a stage is an error like any other, that what failed to
// start is stopped too, and that nothing waits for a stage longer than its time. Which
// stages there are, in which order, is agent/stages.go's to say.
package stage

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// A Stage is one part of a job's life. It is made with what it needs, and has what
// it gives once Start has returned.
type Stage interface {
	// Start returns when the next stage may begin. What it leaves running goes on
	// after the end of ctx, until Stop.
	Start(ctx context.Context) error
	// Stop ends what Start began, within ctx. It is also called after a Start that
	// failed half way, and must not mind.
	Stop(ctx context.Context) error
}

// Once is a stage that has nothing to stop.
type Once func(ctx context.Context) error

// Start calls the function.
func (f Once) Start(ctx context.Context) error { return f(ctx) }

// Stop does nothing.
func (Once) Stop(context.Context) error { return nil }

// Background is a stage that only runs, from Start to Stop. Without Run there is
// nothing to do. The zero value may be embedded and stopped.
type Background struct {
	Run func(ctx context.Context)

	cancel context.CancelFunc
	done   chan struct{}
}

// Start starts Run in a goroutine.
func (b *Background) Start(ctx context.Context) error {
	if b.Run == nil {
		return nil
	}
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.done = make(chan struct{})
	crew.Go(func() {
		defer close(b.done)
		b.Run(ctx)
	})
	return nil
}

// Broke reports whether Run ended before it was asked to.
func (b *Background) Broke() bool {
	if b.cancel == nil {
		return false
	}
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// Stop ends Run's ctx and waits for it. It may be called again, and on nil.
func (b *Background) Stop(ctx context.Context) error {
	if b == nil || b.cancel == nil {
		return nil
	}
	b.cancel()
	b.cancel = nil
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Overtime is what a step has left to return in once its ctx has ended.
const Overtime = time.Second

// ErrOverdue is the end of a step that did not end.
var ErrOverdue = errors.New("it did not end in its time and was left behind")

// Bound calls f, with a ctx that ends after limit, and returns soon after that even
// when f does not.
func Bound(parent context.Context, limit time.Duration, name string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, limit)
	defer cancel()
	done := make(chan error, 1)
	crew.Go(func() { done <- Guard(ctx, name, f) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(Overtime)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return ErrOverdue
	}
}

// maxStack bounds the lines of a panic's stack in a failure.
const maxStack = 30

// Guard makes of a panic in f the failure that it is: a bug of ours, which is said
// and does not take everything else with it.
func Guard(ctx context.Context, name string, f func(context.Context) error) (err error) {
	err = crew.Try(func() error { return f(ctx) })
	if p, ok := errors.AsType[*crew.Panic](err); ok {
		return bug("it panicked in "+name, p)
	}
	return err
}

// Fault is the failure of the first goroutine that panicked without anybody who waited
// for it, nil when none did.
func Fault() error {
	if p := crew.Fault(); p != nil {
		return bug("it panicked", p)
	}
	return nil
}

func bug(what string, p *crew.Panic) error {
	stack := strings.Split(strings.TrimSpace(string(p.Stack)), "\n")
	return contract.Failf(contract.CodeInternal, "The agent has a bug: %s: %v.", what, p.Value).
		WithHint("Report it with the log. It is not the fault of the training.").WithEvidence(stack[:min(len(stack), maxStack)]...)
}
