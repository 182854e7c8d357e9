package hub

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/publish"
)

// signpost keeps what the platform reads of each trainer at its newest version that is offered: a
// version that was published, withdrawn, or given up while it was published has asked for it, in the
// transaction that did so.
type signpost struct {
	catalog   *catalog.Catalog
	pointers  *catalog.Pointers
	publisher *publish.Publisher
	changed   func() <-chan struct{}
	log       *slog.Logger
}

// signpost is nil where nothing is published.
func (h *Hub) signpost() *signpost {
	if h.config.Release == nil {
		return nil
	}
	return &signpost{h.catalog, h.catalog.Pointers(), h.config.Release.publisher, h.desk.Bell.Changed, h.config.Log}
}

func (s *signpost) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.changed()
		found, err := s.next(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("pointing the platform at the newest version", "error", err)
		}
		if found {
			continue
		}
		select {
		case <-changed:
		case <-time.After(idle):
		case <-ctx.Done():
		}
	}
}

// next looks at one trainer; what fails is put off.
func (s *signpost) next(ctx context.Context) (found bool, err error) {
	at, err := s.pointers.Next(ctx)
	if err != nil || at == nil {
		return false, err
	}
	if err := s.point(ctx, at); err != nil {
		return true, errors.Join(err, s.pointers.Later(ctx, at))
	}
	return true, s.pointers.Done(ctx, at)
}

func (s *signpost) point(ctx context.Context, at *catalog.Pointer) error {
	newest, err := s.catalog.Version(ctx, at.Name, "")
	if errors.Is(err, catalog.ErrNotFound) { // its first version was given up
		return s.publisher.Retract(ctx, at.Name, at.GivenUp)
	}
	if errors.Is(err, catalog.ErrWithdrawn) {
		newest, err = catalog.Version{}, nil
	}
	if err != nil {
		return err
	}
	return s.publisher.Point(ctx, at.Name, newest.Version)
}
