package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
)

// Credentials are where a request may carry a login.
type Credentials struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Session       string `cookie:"trainer_hub_session" hidden:"true"`
}

// security says in /openapi.json that an operation wants a login.
var security = []map[string][]string{{"token": {}}, {"session": {}}}

// gate knows who asks.
type gate struct {
	users *login.Users
	log   *slog.Logger
}

// who returns who asks and may do what a scope says.
func (g gate) who(ctx context.Context, c Credentials, scope string) (login.Principal, error) {
	p, err := g.principal(ctx, c)
	if err != nil {
		return p, known(g.log, err)
	}
	if !p.May(scope) {
		return p, huma.Error403Forbidden("the token has no scope " + scope + ": make one that has")
	}
	return p, nil
}

func (g gate) principal(ctx context.Context, c Credentials) (login.Principal, error) {
	if scheme, token, ok := strings.Cut(c.Authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return g.users.Token(ctx, strings.TrimSpace(token))
	}
	if c.Session == "" {
		return login.Principal{}, login.ErrUnknown
	}
	return g.users.Session(ctx, c.Session)
}

// session is who asks in a session, whatever token there is.
func (g gate) session(ctx context.Context, c Credentials) (login.Principal, error) {
	c.Authorization = ""
	return g.who(ctx, c, login.ScopeRead)
}

// credentialsOf reads the login of a request that huma did not read.
func credentialsOf(r *http.Request) Credentials {
	c := Credentials{Authorization: r.Header.Get("Authorization")}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.Session = cookie.Value
	}
	return c
}
