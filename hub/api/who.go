package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const sessionCookie = "trainer_hub_session"

// Credentials are where a request may carry a login.
type Credentials struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Session       string `cookie:"trainer_hub_session" hidden:"true"`
}

// security says in /openapi.json that an operation wants a login.
var security = []map[string][]string{{"token": {}}, {"session": {}}}

// who returns who asks and may do what a scope says.
func (d door) who(ctx context.Context, c Credentials, scope string) (login.Principal, error) {
	p, err := d.principal(ctx, c)
	if err != nil {
		return p, known(d.Log, err)
	}
	if !p.May(scope) {
		return p, huma.Error403Forbidden("the token has no scope " + scope + ": make one that has")
	}
	return p, nil
}

func (d door) principal(ctx context.Context, c Credentials) (login.Principal, error) {
	if scheme, token, ok := strings.Cut(c.Authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return d.Users.Token(ctx, strings.TrimSpace(token))
	}
	if c.Session == "" {
		return login.Principal{}, login.ErrUnknown
	}
	return d.Users.Session(ctx, c.Session)
}

// credentialsOf reads the login of a request that huma did not read.
func credentialsOf(r *http.Request) Credentials {
	c := Credentials{Authorization: r.Header.Get("Authorization")}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.Session = cookie.Value
	}
	return c
}

// own returns a submission that the caller may see: one's own, one of an organisation of
// theirs, or any for the operator. Another's is not found, as if it was not there.
func (d door) own(ctx context.Context, c Credentials, scope, id string) (submission.Submission, login.Principal, error) {
	p, err := d.who(ctx, c, scope)
	if err != nil {
		return submission.Submission{}, p, err
	}
	at, err := d.Submissions.Get(ctx, id)
	if err == nil && !p.Operator() {
		err = d.seen(ctx, p, at)
	}
	if err != nil {
		return at, p, known(d.Log, err)
	}
	return at, p, nil
}

func (d door) seen(ctx context.Context, p login.Principal, at submission.Submission) error {
	sees, err := d.Submissions.Sees(ctx, p.ID, at)
	if err == nil && !sees {
		err = submission.ErrNotFound
	}
	return err
}
