package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub/login/logintest"
)

// The hub at its defaults and with a provider: its account logs in, and becomes an
// operator by the operator's command while it is there.
func TestLoginByAProvider(t *testing.T) {
	issuer := logintest.New(t)
	issuer.Claims["preferred_username"] = "ann"
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(logintest.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TRAINER_HUB_OIDC_ISSUER", issuer.URL)
	t.Setenv("TRAINER_HUB_OIDC_CLIENT_ID", "hub")
	t.Setenv("TRAINER_HUB_OIDC_CLIENT_SECRET_FILE", secret)
	a := serve(t) // which makes a user ann
	url, _, _ := strings.Cut(a.link, "/login")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	get := func(path string, into any) {
		t.Helper()
		resp, err := browser.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if into != nil && json.NewDecoder(resp.Body).Decode(into) != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, resp.StatusCode)
		}
	}
	get("/login/oidc", nil)
	var me struct {
		Name     string
		Operator bool
	}
	if get("/api/v1/me", &me); me.Name != "ann-2" || me.Operator {
		t.Errorf("%+v", me)
	}
	if out, code := a.run(t, "trainer-hub", "link", "ann-2", "--operator"); code != 0 {
		t.Fatal(out)
	}
	if get("/api/v1/me", &me); !me.Operator {
		t.Errorf("%+v", me)
	}
	var acts []struct{ Action string }
	if get("/api/v1/admin/audit?limit=1", &acts); len(acts) != 1 || acts[0].Action != "user.promoted" {
		t.Errorf("%+v", acts)
	}
}
