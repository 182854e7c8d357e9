package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
)

// health are the probes. They ask for no login.
func health(d door.Door, ready func(context.Context) error) {
	well := door.Text("text/plain", "It does.")
	d.Raw(huma.Operation{OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the hub lives", Responses: well}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	d.Raw(huma.Operation{OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Summary: "Whether the hub can take uploads", Responses: well}, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			door.Problem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}
