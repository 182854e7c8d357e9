package agent

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
)

// A step is a stage in its place.
type step struct {
	name  string
	stage stage.Stage
	// optional: its error is a warning, because it is no reason to lose a job.
	optional bool
	// within is how long Stop may take, 0 means stage.StopWithin.
	within time.Duration
}

// A runner starts stages in order and stops them in reverse.
type runner struct {
	warn func(string)
	up   []step
}

// start starts the stages one after the other, up to the first that fails. A stage
// that fails because ctx has ended has failed for the reason of that.
func (r *runner) start(ctx context.Context, steps []step) error {
	for _, s := range steps {
		r.up = append(r.up, s)
		err := stage.Guard(ctx, s.name, s.stage.Start)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.optional:
			r.warn(err.Error())
		default:
			return err
		}
	}
	return nil
}

// stop ends the stages in the reverse order of their start, until so many are left.
// One that does not end in its time is named and left behind: nothing waits for it.
func (r *runner) stop(left int) {
	for len(r.up) > left {
		s := r.up[len(r.up)-1]
		r.up = r.up[:len(r.up)-1]
		if err := stage.Bound(context.Background(), cmp.Or(s.within, stage.StopWithin), s.name, s.stage.Stop); err != nil {
			r.warn(fmt.Sprintf("Stopping %s: %v.", s.name, err))
		}
	}
}
