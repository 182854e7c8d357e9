package stage

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// A Step is a stage in its place.
type Step struct {
	Name  string
	Stage Stage
	// Optional: its error is a warning, because it is no reason to lose a job.
	Optional bool
	// Within is how long Stop may take, 0 means StopWithin.
	Within time.Duration
}

// A Runner starts stages in order and stops them in reverse.
type Runner struct {
	Warn func(string)

	up []Step
}

// Start starts the stages one after the other, up to the first that fails. A stage
// that fails because ctx has ended has failed for the reason of that.
func (r *Runner) Start(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		r.up = append(r.up, s)
		err := Guard(ctx, s.Name, s.Stage.Start)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.Optional:
			r.Warn(err.Error())
		default:
			return err
		}
	}
	return nil
}

// Up is how many are started: what Stop may leave.
func (r *Runner) Up() int { return len(r.up) }

// Stop ends the stages in the reverse order of their start, until so many are left.
// One that does not end in its time is named and left behind: nothing waits for it.
func (r *Runner) Stop(left int) {
	for len(r.up) > left {
		s := r.up[len(r.up)-1]
		r.up = r.up[:len(r.up)-1]
		if err := Bound(context.Background(), cmp.Or(s.Within, StopWithin), s.Name, s.Stage.Stop); err != nil {
			r.Warn(fmt.Sprintf("Stopping %s: %v.", s.Name, err))
		}
	}
}
