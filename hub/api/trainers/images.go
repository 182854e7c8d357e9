package trainers

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/publish"
	"github.com/vision-platform/trainer-agent/hub/registry"
)

// images is the registry for container runtimes, where the hub has one itself. A login is
// a token: as the password of any user name (docker login), or as a bearer.
func images(d door.Door, where registry.Registry, of *catalog.Catalog) {
	handler, ok := where.(http.Handler)
	if !ok {
		return
	}
	d.Mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		c := door.CredentialsOf(r)
		if _, password, basic := r.BasicAuth(); basic {
			c.Authorization = "Bearer " + password
		}
		p, err := d.Principal(r.Context(), c)
		switch {
		case errors.Is(err, login.ErrUnknown), err == nil && !p.May(login.ScopeRead):
			w.Header().Set("WWW-Authenticate", `Basic realm="trainer-hub"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		case err != nil:
			door.Answer(w, door.Known(d.Log, err))
			return
		}
		name, reference := asked(r.URL.Path)
		if err := of.Readable(r.Context(), name, reference); err != nil {
			denied(w, d.Log, err)
			return
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(door.MaxUpload)); err != nil {
			door.Answer(w, door.Known(d.Log, err))
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// asked is the trainer, and the tag or the digest of it, that a container runtime asks for; ""
// is no trainer, whose blobs are those of all.
func asked(path string) (name, reference string) {
	parts := strings.Split(path, "/")
	reference = parts[len(parts)-1]
	if rest, ok := strings.CutPrefix(path, "/v2/"+publish.Repository("")); ok {
		name, _, _ = strings.Cut(rest, "/")
	}
	return name, reference
}

// denied says in the registry's words why a version is for nobody.
func denied(w http.ResponseWriter, log *slog.Logger, err error) {
	refused, is := errors.AsType[*catalog.Refusal](err)
	if !is {
		door.Answer(w, door.Known(log, err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": "DENIED", "message": refused.Text}}})
}
