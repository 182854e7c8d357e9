package logins

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
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
type tokens struct{ door.Gate }

func (t tokens) register(doc huma.API) {
	const path = "/api/v1/tokens"
	huma.Register(doc, huma.Operation{OperationID: "make-token", Method: http.MethodPost, Path: path, Summary: "Make an API token", DefaultStatus: http.StatusCreated, Security: door.Security[1:]}, t.make)
	huma.Register(doc, huma.Operation{OperationID: "list-tokens", Method: http.MethodGet, Path: path, Summary: "One's tokens that still work", Security: door.Security[1:]}, t.list)
	huma.Register(doc, huma.Operation{OperationID: "drop-token", Method: http.MethodDelete, Path: path + "/{id}", Summary: "End a token", Security: door.Security[1:]}, t.drop)
}

func (t tokens) make(ctx context.Context, in *struct {
	door.Credentials
	Body newToken
}) (*struct{ Body madeToken }, error) {
	p, err := t.Session(ctx, in.Credentials)
	if err != nil {
		return nil, err
	}
	token, secret, err := t.Users.MakeToken(ctx, p.ID, in.Body.Name, in.Body.Scopes, time.Duration(in.Body.Days)*24*time.Hour)
	if unfit, is := errors.AsType[*login.Unfit](err); is {
		return nil, huma.Error422UnprocessableEntity(unfit.Text)
	}
	if err != nil {
		return nil, door.Known(t.Log, err)
	}
	return &struct{ Body madeToken }{madeToken{token, secret}}, nil
}

func (t tokens) list(ctx context.Context, in *struct{ door.Credentials }) (*struct{ Body []login.Token }, error) {
	p, err := t.Session(ctx, in.Credentials)
	if err != nil {
		return nil, err
	}
	list, err := t.Users.Tokens(ctx, p.ID)
	if err != nil {
		return nil, door.Known(t.Log, err)
	}
	return &struct{ Body []login.Token }{append([]login.Token{}, list...)}, nil
}

func (t tokens) drop(ctx context.Context, in *struct {
	door.Credentials
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	p, err := t.Session(ctx, in.Credentials)
	if err != nil {
		return nil, err
	}
	err = t.Users.DropToken(ctx, p.ID, in.ID)
	if errors.Is(err, login.ErrUnknown) {
		return nil, huma.Error404NotFound("there is no such token of yours")
	}
	if err != nil { // the token still works
		return nil, door.Known(t.Log, err)
	}
	return nil, nil
}
