package logins

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
)

const (
	flowCookie = "trainer_hub_login"
	flowLife   = 10 * time.Minute
	maxFlow    = 4 << 10
)

// cookies are those that the hub sets; secure ones are sent over https only.
type cookies struct{ secure bool }

// session is the cookie of a session; an age below zero ends it.
func (c cookies) session(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: door.SessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true,
		Secure: c.secure, SameSite: http.SameSiteLaxMode,
	}
}

// flow is the cookie of a login on its way; an empty one ends it.
func (c cookies) flow(f login.Flow) *http.Cookie {
	made := &http.Cookie{Name: flowCookie, Path: "/login/oidc", MaxAge: -1, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode}
	if f.State != "" {
		text, _ := json.Marshal(f) // of strings
		made.Value, made.MaxAge = base64.RawURLEncoding.EncodeToString(text), int(flowLife/time.Second)
	}
	return made
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
