package dataset

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
	"github.com/vision-platform/trainer-agent/agent/dataset/exchange"
)

// damagedLooks is how often a damaged entry in use is looked at before this job
// fetches a copy of its own.
const damagedLooks = 5

// keeper decides where what is fetched is kept: in the node's cache, or in the
// job's own folder as one.
type keeper struct {
	shared *cache.Cache // nil without one
	own    *cache.Cache
	guard  *exchange.Exchange // in place of shared, where training processes could write to that
	space  func(dir string) (Space, error)
	meter  *meter
	log    *slog.Logger
}

// Guard is what is known of a cache that training processes may be able to write to.
type Guard struct {
	Open   func() bool // they can; nil: they cannot
	Secret string      // that jobs which may use each other's entries have in common
}

// keep uses the shared cache, or an exchange in it, which needs a secret.
func (g Guard) keep(k *keeper, shared *cache.Cache) *keeper {
	if g.Open == nil || !g.Open() {
		k.shared = shared
	} else if k.guard = exchange.New(shared, g.Secret); k.guard == nil {
		k.log.Warn("the shared cache is not used: the training processes of other jobs could have changed what it holds, and no secret of the bucket says who wrote it. "+
			"AGENT_RUN_AS or a kernel with Landlock keeps them from it", "folder", shared.Dir)
	}
	return k
}

// filling is a fill that reports its progress to the jobs that wait for it.
type filling struct {
	*cache.Fill
	cache *cache.Cache
	id    string
	stop  func()           // ends the reports
	give  bool             // to the exchange, once it is here
	spare func(need int64) // removes what others have on this disk; nil: nothing
}

// begin takes the entry id, or the right to fill it: then the caller fills and
// commits until there is an entry or an error.
func (k *keeper) begin(ctx context.Context, id string) (*cache.Entry, *filling, error) {
	if k.shared != nil {
		entry, fill, err := k.beginIn(ctx, k.shared, id)
		if !errors.Is(err, cache.ErrDamagedInUse) {
			return entry, fill, err
		}
		k.log.Warn("fetching a copy of its own for this job", "reason", err)
	}
	entry, fill, err := k.beginIn(ctx, k.own, id)
	switch {
	case entry != nil:
		err = k.own.Only(id)
	case fill != nil && k.guard != nil:
		if sameDisk(k.own.Dir, k.guard.Dir()) {
			fill.spare = k.guard.Free
		}
		return k.take(ctx, fill)
	}
	return entry, fill, err
}

// take fills from the exchange, if there is something in it that can be trusted.
func (k *keeper) take(ctx context.Context, f *filling) (*cache.Entry, *filling, error) {
	contents, err := k.guard.Take(ctx, f.id, f.Data)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil { // a job that is stopped says nothing of the cache
			k.log.Warn("what the cache holds cannot be used and is fetched again", "reason", err)
		}
		f.give = true
		return nil, f, nil
	}
	entry, fill, err := k.commit(ctx, f, contents, nil)
	if entry != nil {
		entry.Fresh = false
	}
	return entry, fill, err
}

// share lets other jobs have a copy, if that leaves the cache's disk room for a second one.
func (k *keeper) share(ctx context.Context, f *filling, entry *cache.Entry, contents cache.Contents) {
	need := 2 * contents.Bytes
	free, err := k.space(k.guard.Dir())
	if err == nil && free.Bytes < need {
		k.guard.Free(need - free.Bytes)
		free, err = k.space(k.guard.Dir())
	}
	if err == nil && free.Bytes < need {
		k.log.Info("nothing is given to the cache: its disk has little room", "folder", k.guard.Dir(), "free", human(free.Bytes))
		return
	}
	if err := errors.Join(err, k.guard.Give(ctx, f.id, entry.Dir, contents)); err != nil {
		k.log.Warn("other jobs do not get what was fetched from the cache", "reason", err)
	}
}

// beginIn waits for other processes, and reports what they have done so far.
func (k *keeper) beginIn(ctx context.Context, c *cache.Cache, id string) (*cache.Entry, *filling, error) {
	for damaged := 0; ; {
		entry, fill, err := c.Begin(ctx, id)
		switch {
		case fill != nil:
			f := &filling{Fill: fill, cache: c, id: id, stop: k.meter.start(c.ProgressFile(id))}
			if c.Sealed {
				f.spare = func(need int64) { c.Free(id, need) }
			}
			return nil, f, nil
		case errors.Is(err, cache.ErrDamagedInUse):
			damaged++
		case errors.Is(err, cache.ErrBusy):
			damaged = 0
		default:
			return entry, nil, err
		}
		if damaged >= damagedLooks {
			return nil, nil, err
		}
		k.meter.relay(c.ProgressFile(id))
		if err := c.Wait(ctx); err != nil {
			return nil, nil, err
		}
	}
}

// commit ends a fill with what was fetched or the error that kept it from that. It
// returns a filling again where everything has to be fetched once more.
func (k *keeper) commit(ctx context.Context, f *filling, contents cache.Contents, err error) (*cache.Entry, *filling, error) {
	f.stop()
	if err != nil {
		return nil, nil, errors.Join(err, f.Abort())
	}
	entry, err := f.Commit(ctx, contents)
	switch {
	case errors.Is(err, cache.ErrForeign):
		f.stop = k.meter.start(f.cache.ProgressFile(f.id))
		return nil, f, nil
	case errors.Is(err, cache.ErrBusy):
		return k.begin(ctx, f.id)
	case err == nil && f.cache == k.own:
		if f.give {
			k.share(ctx, f, entry, contents)
		}
		err = k.own.Only(f.id)
	}
	return entry, nil, err
}
