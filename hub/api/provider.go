package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
)

// CallbackPath is where a login provider sends people back to.
const CallbackPath = "/login/oidc/callback"

const (
	flowCookie = "trainer_hub_login"
	flowLife   = 10 * time.Minute
	maxFlow    = 4 << 10
)

// provider is the login by OpenID Connect: out to the provider, and back.
func (d door) provider() {
	if d.OIDC == nil {
		return
	}
	d.raw(huma.Operation{
		OperationID: "login-oidc", Method: http.MethodGet, Path: "/login/oidc", Summary: "Begin a session at the login provider",
		Parameters: []*huma.Param{{Name: "to", In: "query", Description: "Where to go afterwards: /?…", Schema: &huma.Schema{Type: "string"}}},
	}, func(w http.ResponseWriter, r *http.Request) {
		address, flow, err := d.OIDC.Begin(r.Context(), inside(r.URL.Query().Get("to")))
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		http.SetCookie(w, d.flow(flow))
		http.Redirect(w, r, address, http.StatusSeeOther)
	})
	d.raw(huma.Operation{OperationID: "login-oidc-callback", Method: http.MethodGet, Path: CallbackPath, Summary: "Where the login provider sends a browser back to"}, d.callback)
}

func (d door) callback(w http.ResponseWriter, r *http.Request) {
	flow := flowOf(r)
	http.SetCookie(w, d.flow(login.Flow{})) // it is used once, whatever comes of it
	query := r.URL.Query()
	who, err := d.OIDC.Finish(r.Context(), flow, query.Get("state"), query.Get("code"))
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	cookie, err := d.Users.EnterAs(r.Context(), who)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	http.SetCookie(w, d.cookie(cookie, int(login.SessionLife/time.Second)))
	http.Redirect(w, r, inside(flow.To), http.StatusSeeOther)
}

// refuse sends a browser back to the page, which says why; the log has the rest.
func (d door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	why := "away"
	switch {
	case errors.Is(err, login.ErrDenied):
		why = "denied"
	case errors.Is(err, login.ErrForeign):
		why = "expired"
	case errors.Is(err, login.ErrDomain):
		why = "domain"
	}
	d.Log.Warn("a login by the provider failed", "error", err)
	http.Redirect(w, r, "/?login="+why, http.StatusSeeOther)
}

// flow is the cookie of a login on its way; an empty one ends it.
func (d door) flow(f login.Flow) *http.Cookie {
	c := &http.Cookie{Name: flowCookie, Path: "/login/oidc", MaxAge: -1, HttpOnly: true, Secure: strings.HasPrefix(d.URL, "https:"), SameSite: http.SameSiteLaxMode}
	if f.State != "" {
		text, _ := json.Marshal(f) // of strings
		c.Value, c.MaxAge = base64.RawURLEncoding.EncodeToString(text), int(flowLife/time.Second)
	}
	return c
}

func flowOf(r *http.Request) (f login.Flow) {
	cookie, err := r.Cookie(flowCookie)
	if err != nil || len(cookie.Value) > maxFlow {
		return f
	}
	if text, err := base64.RawURLEncoding.DecodeString(cookie.Value); err != nil || json.Unmarshal(text, &f) != nil {
		return login.Flow{}
	}
	return f
}

// inside is a place of the page, whatever was asked for: a login leads nowhere else.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || len(to) > 1<<10 || u.Scheme != "" || u.Host != "" || u.User != nil || u.Path != "/" {
		return "/"
	}
	return "/?" + u.RawQuery
}
