package logins

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub/login"
)

// Whatever a browser sends as the cookie of a login on its way: it is read without harm, leads
// to the hub's own page, and is the same when the hub sets it again.
func FuzzFlow(f *testing.F) {
	f.Add(cookies{}.flow(login.Flow{State: "s", Nonce: "n", Verifier: "v", To: "/?name=cells"}).Value)
	f.Add(cookies{}.flow(login.Flow{State: "s", To: "//elsewhere.test/"}).Value)
	f.Add(cookies{}.flow(login.Flow{State: "s", To: "/\\elsewhere.test"}).Value)
	f.Add("e30")
	f.Add("not base64!")
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/login/oidc/callback", nil)
		r.Header.Set("Cookie", flowCookie+"="+value)
		flow := flowOf(r)
		if to, err := url.Parse(inside(flow.To)); err != nil || to.Host != "" || to.Scheme != "" || !strings.HasPrefix(to.Path, "/") {
			t.Errorf("%q leads to %q", flow.To, inside(flow.To))
		}
		again := httptest.NewRequest(http.MethodGet, "/login/oidc/callback", nil)
		again.AddCookie(cookies{}.flow(flow))
		if flow.State != "" && flowOf(again) != flow {
			t.Errorf("%+v came back as %+v", flow, flowOf(again))
		}
	})
}
