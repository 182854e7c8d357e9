package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/registry"
)

// images is the registry for container runtimes, where the hub has one itself. A login is
// a token: as the password of any user name (docker login), or as a bearer.
func images(d door, where registry.Registry) {
	handler, ok := where.(http.Handler)
	if !ok {
		return
	}
	d.mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		c := credentialsOf(r)
		if _, password, basic := r.BasicAuth(); basic {
			c.Authorization = "Bearer " + password
		}
		p, err := d.principal(r.Context(), c)
		switch {
		case errors.Is(err, login.ErrUnknown), err == nil && !p.May(login.ScopeRead):
			w.Header().Set("WWW-Authenticate", `Basic realm="trainer-hub"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		case err != nil:
			answer(w, known(d.log, err))
			return
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxUpload)); err != nil {
			answer(w, known(d.log, err))
			return
		}
		handler.ServeHTTP(w, r)
	})
}
