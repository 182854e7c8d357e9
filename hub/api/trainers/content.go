package trainers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/publish"
)

// content sends bytes that may be gigabytes.
func (t trainers) content(w http.ResponseWriter, r *http.Request) {
	if _, err := t.Who(r.Context(), door.CredentialsOf(r), login.ScopeRead); err != nil {
		door.Answer(w, err)
		return
	}
	name, digest := r.PathValue("name"), r.PathValue("digest")
	err := t.catalog.Readable(r.Context(), name, digest)
	if err == nil {
		err = t.served(r.Context(), name)
	}
	if err != nil {
		door.Answer(w, door.Known(t.Log, err))
		return
	}
	content, err := t.registry.Open(r.Context(), publish.Repository(name), digest)
	if err != nil {
		door.Answer(w, door.Known(t.Log, err))
		return
	}
	defer func() { _ = content.Close() }()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(door.MaxUpload)); err != nil {
		door.Answer(w, door.Known(t.Log, err))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if content.MediaType != "" {
		w.Header().Set("Content-Type", content.MediaType)
	}
	w.Header().Set("Content-Length", fmt.Sprint(content.Size))
	_, _ = io.Copy(w, content)
}

// served is an error where no trainer of the name was published.
func (t trainers) served(ctx context.Context, name string) error {
	list, err := t.catalog.Versions(ctx, name)
	if err == nil && (name == "" || len(list) == 0 || t.registry == nil) {
		err = catalog.ErrNotFound
	}
	return err
}
