package logins

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
)

// CallbackPath is where a login provider sends people back to.
const CallbackPath = "/login/oidc/callback"

// provider is the login by OpenID Connect: out to the provider, and back.
type provider struct {
	door.Door
	cookies cookies
	oidc    *login.OIDC
}

func (p provider) register() {
	p.Raw(huma.Operation{
		OperationID: "login-oidc", Method: http.MethodGet, Path: "/login/oidc", Summary: "Begin a session at the login provider",
		Parameters: []*huma.Param{{Name: "to", In: "query", Description: "Where to go afterwards: /?…", Schema: &huma.Schema{Type: "string"}}},
		Responses:  door.Bare(http.StatusSeeOther, "On to the provider."),
	}, p.begin)
	p.Raw(huma.Operation{
		OperationID: "login-oidc-callback", Method: http.MethodGet, Path: CallbackPath, Summary: "Where the login provider sends a browser back to",
		Responses: door.Bare(http.StatusSeeOther, "The session has begun: back to where the browser came from."),
	}, p.callback)
}

func (p provider) begin(w http.ResponseWriter, r *http.Request) {
	address, flow, err := p.oidc.Begin(r.Context(), inside(r.URL.Query().Get("to")))
	if err != nil {
		p.refuse(w, r, why(err), err)
		return
	}
	http.SetCookie(w, p.cookies.flow(flow))
	http.Redirect(w, r, address, http.StatusSeeOther)
}

func (p provider) callback(w http.ResponseWriter, r *http.Request) {
	flow := flowOf(r)
	http.SetCookie(w, p.cookies.flow(login.Flow{})) // it is used once, whatever comes of it
	query := r.URL.Query()
	who, err := p.oidc.Finish(r.Context(), flow, query.Get("state"), query.Get("code"))
	if err != nil {
		p.refuse(w, r, why(err), err)
		return
	}
	cookie, err := p.Users.EnterAs(r.Context(), who)
	switch {
	case errors.Is(err, login.ErrUnknown): // an identity that is none
		p.refuse(w, r, "away", err)
		return
	case err != nil:
		p.refuse(w, r, "hub", err)
		return
	}
	http.SetCookie(w, p.cookies.session(cookie, int(login.SessionLife/time.Second)))
	http.Redirect(w, r, inside(flow.To), http.StatusSeeOther)
}

// refuse sends a browser back to the page, which says why; the log has the rest.
func (p provider) refuse(w http.ResponseWriter, r *http.Request, why string, err error) {
	p.Log.Warn("a login by the provider failed", "why", why, "error", err)
	http.Redirect(w, r, "/?login="+why, http.StatusSeeOther)
}

// why is what the page says of a login that the provider did not let pass.
func why(err error) string {
	switch {
	case errors.Is(err, login.ErrDenied):
		return "denied"
	case errors.Is(err, login.ErrForeign):
		return "expired"
	case errors.Is(err, login.ErrDomain):
		return "domain"
	default:
		return "away"
	}
}

// inside is a place of the page, whatever was asked for: a login leads nowhere else.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || len(to) > 1<<10 || u.Scheme != "" || u.Host != "" || u.User != nil || u.Path != "/" {
		return "/"
	}
	return "/?" + u.RawQuery
}
