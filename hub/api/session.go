package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
)

type me struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Operator bool   `json:"operator"`
	// Organisations may own the names of trainers that this user uploads.
	Organisations []string `json:"organisations"`
}

// sessions are logout and who is logged in.
func sessions(d door, cookies cookies) {
	d.raw(huma.Operation{OperationID: "logout", Method: http.MethodPost, Path: "/logout", Summary: "End the session"}, func(w http.ResponseWriter, r *http.Request) {
		if err := d.users.Leave(r.Context(), credentialsOf(r).Session); err != nil {
			answer(w, known(d.log, err))
			return
		}
		http.SetCookie(w, cookies.session("", -1))
		w.WriteHeader(http.StatusNoContent)
	})
	huma.Register(d.doc, huma.Operation{OperationID: "me", Method: http.MethodGet, Path: "/api/v1/me", Summary: "Who asks", Security: security},
		func(ctx context.Context, in *struct{ Credentials }) (*struct{ Body me }, error) {
			p, err := d.who(ctx, in.Credentials, login.ScopeRead)
			if err != nil {
				return nil, err
			}
			organisations, err := d.users.Organisations(ctx, p.ID)
			if err != nil {
				return nil, known(d.log, err)
			}
			return &struct{ Body me }{me{p.Name, p.Role, p.Operator(), append([]string{}, organisations...)}}, nil
		})
}
