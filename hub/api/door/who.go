package door

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

// SessionCookie holds a session.
const SessionCookie = "trainer_hub_session"

// Security says in /openapi.json that an operation wants a login.
var Security = []map[string][]string{{"token": {}}, {"session": {}}}

// Gate knows who asks.
type Gate struct {
	Users *login.Users
	Log   *slog.Logger
}

// Who returns who asks and may do what a scope says.
func (g Gate) Who(ctx context.Context, c Credentials, scope string) (login.Principal, error) {
	p, err := g.Principal(ctx, c)
	if err != nil {
		return p, Known(g.Log, err)
	}
	if !p.May(scope) {
		return p, huma.Error403Forbidden("the token has no scope " + scope + ": make one that has")
	}
	return p, nil
}

// Principal returns who asks, whatever they may do; the error is as hub/login says it.
func (g Gate) Principal(ctx context.Context, c Credentials) (login.Principal, error) {
	if scheme, token, ok := strings.Cut(c.Authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return g.Users.Token(ctx, strings.TrimSpace(token))
	}
	if c.Session == "" {
		return login.Principal{}, login.ErrUnknown
	}
	return g.Users.Session(ctx, c.Session)
}

// Session is who asks in a session, whatever token there is.
func (g Gate) Session(ctx context.Context, c Credentials) (login.Principal, error) {
	c.Authorization = ""
	return g.Who(ctx, c, login.ScopeRead)
}

// CredentialsOf reads the login of a request that huma did not read.
func CredentialsOf(r *http.Request) Credentials {
	c := Credentials{Authorization: r.Header.Get("Authorization")}
	if cookie, err := r.Cookie(SessionCookie); err == nil {
		c.Session = cookie.Value
	}
	return c
}
