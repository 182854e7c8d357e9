package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	sweepEvery = time.Hour
	sweepSoon  = time.Minute // after what failed
	// sweepPatience bounds the removal of one package. Nobody may bring the same bytes for far longer.
	sweepPatience = time.Minute
)

// sweeper removes packages that nobody can need any longer. What may go is the database's to say;
// where another hub keeps its packages in the same place, whose needs this one does not know, nothing
// goes.
type sweeper struct {
	expiry   *submission.Expiry
	packages blob.Store
	keep     time.Duration
	data     string
	log      *slog.Logger
}

func (h *Hub) sweeper() *sweeper {
	return &sweeper{h.desk.Expiry, h.packages, h.config.KeepEnded, h.config.DataDir, h.config.Log}
}

func (s *sweeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := sweepEvery
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("removing packages that nobody needs", "error", err)
			wait = sweepSoon
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (s *sweeper) sweep(ctx context.Context) error {
	for s.keep > 0 {
		id, err := s.expiry.Expire(ctx, time.Now().Add(-s.keep))
		if err != nil {
			return err
		}
		if id == "" {
			break
		}
		s.log.Info("the package of a submission that ended is given up", "submission", id)
		if err := s.unlock(id); err != nil {
			return err
		}
	}
	if err := s.expiry.Abandoned(ctx, false); err != nil {
		return err
	}
	alone, err := s.alone(ctx)
	for err == nil && alone {
		var more bool
		if more, err = s.remove(ctx); !more {
			break
		}
	}
	return err
}

// unlock removes what pinned the wheels of a submission that was cancelled.
func (s *sweeper) unlock(id string) error {
	left, err := fs.Glob(os.DirFS(s.data), "locks/"+id+"-*.txt")
	for _, name := range left {
		err = errors.Join(err, os.Remove(filepath.Join(s.data, name)))
	}
	return err
}

// remove removes one package.
func (s *sweeper) remove(ctx context.Context) (more bool, err error) {
	at, err := s.expiry.Next(ctx)
	if err != nil || at == nil {
		return false, err
	}
	bounded, cancel := context.WithTimeout(ctx, sweepPatience)
	defer cancel()
	if err := s.packages.Remove(bounded, at.SHA256); err != nil {
		return false, err // it is taken again in ten minutes
	}
	s.log.Info("a package that nobody needs was removed", "sha256", at.SHA256)
	return true, s.expiry.Removed(ctx, at)
}

// alone says whether no other hub keeps its packages here. A hub is a database and a data folder:
// a copy of either is another hub.
func (s *sweeper) alone(ctx context.Context) (bool, error) {
	database, err := s.expiry.Hub(ctx)
	if err != nil {
		return false, err
	}
	folder, err := folderID(s.data)
	if err != nil {
		return false, err
	}
	others, err := s.packages.Share(ctx, database+"-"+folder)
	if err == nil && len(others) > 0 {
		s.log.Warn("no package is removed: another hub keeps its packages here. If it is none any longer, remove what it left", "left", strings.Join(others, " "))
	}
	return len(others) == 0, err
}

// folderID names a data folder.
func folderID(dir string) (string, error) {
	path := filepath.Join(dir, "id")
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		text = []byte(store.ID())
		if err = os.WriteFile(path+".new", text, 0o600); err == nil {
			err = os.Rename(path+".new", path)
		}
	}
	id := strings.TrimSpace(string(text))
	if err == nil && (len(id) != 36 || strings.Trim(id, "0123456789abcdef-") != "") {
		err = fmt.Errorf("%s names no data folder: remove it, and a new name is made", path)
	}
	return id, err
}
