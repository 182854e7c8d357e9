package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
)

type newToken struct {
	Name   string   `json:"name" minLength:"1" maxLength:"100"`
	Scopes []string `json:"scopes" minItems:"1" maxItems:"10" doc:"read, publish"`
	Days   int      `json:"days,omitempty" minimum:"1" maximum:"366" default:"90" doc:"How long it works."`
}

type madeToken struct {
	login.Token
	Secret string `json:"secret" doc:"Shown this once."`
}

// tokens are a user's API tokens. They are made in a session only: a token that
// was stolen makes no others.
func (d door) tokens() {
	huma.Register(d.doc, huma.Operation{OperationID: "make-token", Method: http.MethodPost, Path: "/api/v1/tokens", Summary: "Make an API token", DefaultStatus: http.StatusCreated, Security: security[1:]},
		func(ctx context.Context, in *struct {
			Credentials
			Body newToken
		}) (*struct{ Body madeToken }, error) {
			p, err := d.session(ctx, in.Credentials)
			if err != nil {
				return nil, err
			}
			token, secret, err := d.Users.MakeToken(ctx, p.ID, in.Body.Name, in.Body.Scopes, time.Duration(in.Body.Days)*24*time.Hour)
			if unfit, is := errors.AsType[*login.Unfit](err); is {
				return nil, huma.Error422UnprocessableEntity(unfit.Text)
			}
			if err != nil {
				return nil, known(d.Log, err)
			}
			return &struct{ Body madeToken }{madeToken{token, secret}}, nil
		})
	huma.Register(d.doc, huma.Operation{OperationID: "list-tokens", Method: http.MethodGet, Path: "/api/v1/tokens", Summary: "One's tokens that still work", Security: security[1:]},
		func(ctx context.Context, in *struct{ Credentials }) (*struct{ Body []login.Token }, error) {
			p, err := d.session(ctx, in.Credentials)
			if err != nil {
				return nil, err
			}
			list, err := d.Users.Tokens(ctx, p.ID)
			if err != nil {
				return nil, known(d.Log, err)
			}
			return &struct{ Body []login.Token }{append([]login.Token{}, list...)}, nil
		})
	huma.Register(d.doc, huma.Operation{OperationID: "drop-token", Method: http.MethodDelete, Path: "/api/v1/tokens/{id}", Summary: "End a token", Security: security[1:]},
		func(ctx context.Context, in *struct {
			Credentials
			ID string `path:"id" maxLength:"64"`
		}) (*struct{}, error) {
			p, err := d.session(ctx, in.Credentials)
			if err != nil {
				return nil, err
			}
			err = d.Users.DropToken(ctx, p.ID, in.ID)
			if errors.Is(err, login.ErrUnknown) {
				return nil, huma.Error404NotFound("there is no such token of yours")
			}
			if err != nil { // the token still works
				return nil, known(d.Log, err)
			}
			return nil, nil
		})
}

func (d door) session(ctx context.Context, c Credentials) (login.Principal, error) {
	c.Authorization = ""
	return d.who(ctx, c, login.ScopeRead)
}
