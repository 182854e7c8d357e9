package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/publish"
)

// content sends bytes that may be gigabytes.
func (t trainers) content(w http.ResponseWriter, r *http.Request) {
	if _, err := t.who(r.Context(), credentialsOf(r), login.ScopeRead); err != nil {
		answer(w, err)
		return
	}
	name, digest := r.PathValue("name"), r.PathValue("digest")
	err := t.catalog.Readable(r.Context(), name, digest)
	if err == nil {
		err = t.served(r.Context(), name)
	}
	if err != nil {
		answer(w, known(t.log, err))
		return
	}
	content, err := t.registry.Open(r.Context(), publish.Repository(name), digest)
	if err != nil {
		answer(w, known(t.log, err))
		return
	}
	defer func() { _ = content.Close() }()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxUpload)); err != nil {
		answer(w, known(t.log, err))
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
