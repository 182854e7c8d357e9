package dataset

import (
	"context"
	"errors"
	"log/slog"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
)

// damagedLooks is how often a damaged entry in use is looked at before this job
// fetches a copy of its own.
const damagedLooks = 5

// keeper decides where what is fetched is kept: in the node's cache, or in the
// job's own folder as one.
type keeper struct {
	shared *cache.Cache // nil without one
	own    *cache.Cache
	meter  *meter
	log    *slog.Logger
}

// filling is a fill that reports its progress to the jobs that wait for it.
type filling struct {
	*cache.Fill
	cache *cache.Cache
	id    string
	stop  func() // ends the reports
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
	if entry != nil {
		err = k.own.Only(id)
	}
	return entry, fill, err
}

// beginIn waits for other processes, and reports what they have done so far.
func (k *keeper) beginIn(ctx context.Context, c *cache.Cache, id string) (*cache.Entry, *filling, error) {
	for damaged := 0; ; {
		entry, fill, err := c.Begin(ctx, id)
		switch {
		case fill != nil:
			return nil, &filling{Fill: fill, cache: c, id: id, stop: k.meter.start(c.ProgressFile(id))}, nil
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
		err = k.own.Only(f.id)
	}
	return entry, nil, err
}
