package logins

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
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
func sessions(d door.Door, cookies cookies) {
	d.Raw(huma.Operation{OperationID: "logout", Method: http.MethodPost, Path: "/logout", Summary: "End the session", Responses: door.Bare(http.StatusNoContent, "It has ended.")}, func(w http.ResponseWriter, r *http.Request) {
		if err := d.Users.Leave(r.Context(), door.CredentialsOf(r).Session); err != nil {
			door.Answer(w, door.Known(d.Log, err))
			return
		}
		http.SetCookie(w, cookies.session("", -1))
		w.WriteHeader(http.StatusNoContent)
	})
	huma.Register(d.Doc, huma.Operation{OperationID: "me", Method: http.MethodGet, Path: "/api/v1/me", Summary: "Who asks", Security: door.Security},
		func(ctx context.Context, in *struct{ door.Credentials }) (*struct{ Body me }, error) {
			p, err := d.Who(ctx, in.Credentials, login.ScopeRead)
			if err != nil {
				return nil, err
			}
			organisations, err := d.Users.Organisations(ctx, p.ID)
			if err != nil {
				return nil, door.Known(d.Log, err)
			}
			return &struct{ Body me }{me{p.Name, p.Role, p.Operator(), append([]string{}, organisations...)}}, nil
		})
}
