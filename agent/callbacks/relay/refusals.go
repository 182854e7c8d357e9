package relay

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
)

// maxRefused bounds the paths that are named in the log.
const maxRefused = 32

// A refusalLog says each kind of refusal that a trainer's author must correct once for
// a path, so that a script which posts to the wrong one is found in the agent's log
// without being able to fill it.
type refusalLog struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[refusedPath]bool
}

type refusedPath struct {
	status int
	path   string
}

func newRefusalLog(log *slog.Logger) *refusalLog {
	return &refusalLog{log: log, seen: map[refusedPath]bool{}}
}

func (l *refusalLog) add(path string, r *refusal) {
	level := slog.LevelDebug
	if (r.status == http.StatusNotFound || r.status == http.StatusUnprocessableEntity) && l.first(refusedPath{r.status, shown(path)}) {
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "a callback of the training script was refused", "status", r.status, "path", shown(path), "field", r.Field, "detail", r.Detail)
}

func (l *refusalLog) first(p refusedPath) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[p] || len(l.seen) >= maxRefused {
		return false
	}
	l.seen[p] = true
	return true
}
