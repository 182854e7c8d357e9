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
	Name  string // for what is said of a panic
	Run   func(ctx context.Context)
	Broke func(error) // called when it ended by a panic; may be nil

	cancel context.CancelFunc
	done   chan error
}

// Start starts Run in a goroutine.
func (b *Background) Start(ctx context.Context) error {
	if b.Run == nil {
		return nil
	}
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.done = make(chan error, 1)
	go func() {
		err := Guard(ctx, b.Name, func(ctx context.Context) error { b.Run(ctx); return nil })
		if err != nil && b.Broke != nil {
			b.Broke(err)
		}
		b.done <- err
	}()
	return nil
}

// Stop ends Run's ctx and waits for it. It may be called again, and on nil.
func (b *Background) Stop(ctx context.Context) error {
	if b == nil || b.cancel == nil {
		return nil
	}
	b.cancel()
	b.cancel = nil
	select {
	case err := <-b.done:
		return err
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
	go func() { done <- Guard(ctx, name, f) }()
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
	defer func() {
		if value := recover(); value != nil {
			p := crew.Recovered(value)
			stack := strings.Split(strings.TrimSpace(string(p.Stack)), "\n")
			err = contract.Failf(contract.CodeInternal, "The agent has a bug: it panicked in %s: %v.", name, p.Value).
				WithHint("Report it with the log. It is not the fault of the training.").WithEvidence(stack[:min(len(stack), maxStack)]...)
		}
	}()
	return f(ctx)
}
