package hub_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
)

func TestOnlyWhoMayDoesIt(t *testing.T) {
	r := start(t, hub.Config{})
	ann, bob := r.client(t, "ann"), r.client(t, "bob")
	reader := client{ann.url, r.token(t, "ann", login.Author, login.ScopeRead), http.DefaultClient}
	boss := client{ann.url, r.token(t, "boss", login.Operator, login.Scopes...), http.DefaultClient}
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	at := "/api/v1/trainers/validation/" + id
	for name, c := range map[string]struct {
		who          client
		method, path string
		want         int
	}{
		"without a login":          {client{ann.url, "", http.DefaultClient}, http.MethodGet, at, 401},
		"with a wrong token":       {client{ann.url, "tah_x", http.DefaultClient}, http.MethodGet, at, 401},
		"another's":                {bob, http.MethodGet, at, 404},
		"another's events":         {bob, http.MethodGet, at + "/events", 404},
		"another's log":            {bob, http.MethodGet, at + "/log", 404},
		"another's cancel":         {bob, http.MethodPost, at + "/cancel", 404},
		"one's own to read":        {reader, http.MethodGet, at, 200},
		"to cancel with a reader":  {reader, http.MethodPost, at + "/cancel", 403},
		"to upload with a reader":  {reader, http.MethodPost, "/api/v1/trainers/upload", 403},
		"a token by a token":       {ann, http.MethodGet, "/api/v1/tokens", 401},
		"the operator":             {boss, http.MethodGet, at, 200},
		"what is not there":        {ann, http.MethodGet, "/api/v1/trainers/validation/x", 404},
		"events that are not mine": {ann, http.MethodGet, "/api/v1/trainers/validation/x/events", 404},
	} {
		if got := c.who.ask(t, c.method, c.path); got.status != c.want {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.want)
		}
	}
	for path, query := range map[string]string{at + "/log": "?stp=structure", at + "/events": "?after=3", "/api/v1/trainers/custom-yolo/content/sha256:" + strings.Repeat("0", 64): "?version=1.0.0"} {
		if got := ann.ask(t, http.MethodGet, path+query); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `"query.`) {
			t.Errorf("a query that %s has not: %d %s", path, got.status, got.body)
		}
	}
	for path, want := range map[string]int{"": http.StatusOK, "?all=true": http.StatusForbidden, "?limt=5": http.StatusUnprocessableEntity} {
		if got := bob.ask(t, http.MethodGet, "/api/v1/trainers/validation"+path); got.status != want || want == http.StatusOK && got.body != "[]\n" {
			t.Errorf("bob asks for %q: %d %s", path, got.status, got.body)
		}
	}
	if list := boss.ask(t, http.MethodGet, "/api/v1/trainers/validation?all=true").body; !strings.Contains(list, id) {
		t.Errorf("the operator sees %s", list)
	}
}

func TestOneTimeLinkBeginsASession(t *testing.T) {
	r := start(t, hub.Config{})
	link, err := r.Link(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	browser := client{"", "", &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	// Whoever only looks at the link (a preview in a chat, twice) uses nothing up, and is nobody.
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
		got := browser.ask(t, method, link)
		if got.status != 200 || got.header.Get("Set-Cookie") != "" || method == http.MethodGet && !strings.Contains(got.body, "Log in as operator") {
			t.Fatalf("%s: %+v", method, got)
		}
	}
	browser.url = r.URL()
	use := func(site string) reply {
		t.Helper()
		_, code, _ := strings.Cut(link, "?")
		got, err := browser.do(t.Context(), http.MethodPost, "/login", "application/x-www-form-urlencoded", strings.NewReader(code), "Sec-Fetch-Site", site)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	// Another site cannot log the browser in as whom it likes.
	if got := use("cross-site"); got.status != 403 || got.header.Get("Set-Cookie") != "" || !strings.Contains(got.body, "another site") {
		t.Fatalf("%+v", got)
	}
	if got := use("same-origin"); got.status != 303 || !strings.Contains(got.header.Get("Set-Cookie"), "HttpOnly; SameSite=Lax") {
		t.Fatalf("%+v", got)
	}
	if got := browser.ask(t, http.MethodGet, "/api/v1/me"); got.status != 200 || !strings.Contains(got.body, `"operator":true`) {
		t.Errorf("%+v", got)
	}
	// Another site cannot use the session, whatever it sends.
	made, err := browser.do(t.Context(), http.MethodPost, "/api/v1/tokens", "application/json", strings.NewReader(`{"name":"ci","scopes":["publish"]}`), "Sec-Fetch-Site", "cross-site")
	if made.status != 403 || err != nil {
		t.Errorf("from another site: %+v, %v", made, err)
	}
	made, err = browser.do(t.Context(), http.MethodPost, "/api/v1/tokens", "application/json", strings.NewReader(`{"name":"ci","scopes":["publish"]}`))
	if made.status != 201 || !strings.Contains(made.body, `"secret":"tah_`) || err != nil {
		t.Errorf("%+v, %v", made, err)
	}
	if got := (client{"", "", http.DefaultClient}).ask(t, http.MethodGet, link); got.status != 401 {
		t.Errorf("the link a second time: %+v", got)
	}
	if got := use("same-origin"); got.status != 401 {
		t.Errorf("its button a second time: %+v", got)
	}
	if got := browser.ask(t, http.MethodPost, "/logout"); got.status != 204 {
		t.Errorf("%+v", got)
	}
	if got := browser.ask(t, http.MethodGet, "/api/v1/me"); got.status != 401 {
		t.Errorf("after the logout: %+v", got)
	}
}

func TestLoginsAreFew(t *testing.T) {
	r := start(t, hub.Config{})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		guessed := 0
		for guessed < 50 && (client{r.URL(), "", http.DefaultClient}).ask(t, method, "/login?code=guess").status != http.StatusTooManyRequests {
			guessed++
		}
		if guessed == 50 {
			t.Errorf("50 codes could be guessed in a row by %s", method)
		}
	}
}

// What a server prints is kept in its logs: it prints no login.
func TestServerPrintsNoLink(t *testing.T) {
	for name, c := range map[string]struct {
		config hub.Config
		link   bool
	}{
		"at a desk":        {hub.Config{}, true},
		"by a name":        {hub.Config{URL: "http://localhost:7070"}, true},
		"behind a proxy":   {hub.Config{BehindProxy: true}, false},
		"for other people": {hub.Config{URL: "https://hub.example.com"}, false},
	} {
		if link, err := start(t, c.config).Link(t.Context()); (link != "") != c.link || err != nil {
			t.Errorf("%s: %q, %v", name, link, err)
		}
	}
}

// Behind a proxy each address has limits of its own, and none makes itself another one; without
// one nobody is believed.
func TestLimitsBehindAProxy(t *testing.T) {
	for _, behind := range []bool{true, false} {
		t.Run(fmt.Sprint(behind), func(t *testing.T) {
			anybody := client{start(t, hub.Config{BehindProxy: behind}).URL(), "", http.DefaultClient}
			limited := func(forwarded string) bool {
				t.Helper()
				return anybody.ask(t, http.MethodGet, "/login?code=guess", "X-Forwarded-For", forwarded).status == http.StatusTooManyRequests
			}
			for n := 0; !limited("198.51.100.1"); n++ {
				if n == 50 {
					t.Fatal("50 codes could be guessed in a row")
				}
			}
			if !limited("203.0.113.9, 198.51.100.1") {
				t.Error("a client made itself another address")
			}
			if limited("198.51.100.1, 198.51.100.2") == behind {
				t.Errorf("another address has limits of its own: %v, want %v", !behind, behind)
			}
		})
	}
}

// What nothing serves is a problem as every other error.
func TestUnknownAddressIsAProblem(t *testing.T) {
	anybody := client{start(t, hub.Config{}).URL(), "", http.DefaultClient}
	for _, c := range []struct {
		method, path string
		status       int
		text         string
	}{
		{http.MethodGet, "/nowhere", 404, "/openapi.json"},
		{http.MethodGet, "/api/v1/trainers/", 404, "/openapi.json"},
		{http.MethodPost, "/healthz", 405, "GET, HEAD"},
		{http.MethodDelete, "/api/v1/trainers/x/versions", 405, "GET, HEAD"},
	} {
		if got := anybody.ask(t, c.method, c.path); got.status != c.status || got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, c.text) {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
}

func TestDescribesItself(t *testing.T) {
	r := start(t, hub.Config{Platform: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
	anybody := client{r.URL(), "", http.DefaultClient}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Parameters []struct{ Name string }
			Responses  map[string]struct {
				Description string
				Headers     map[string]any
				Content     map[string]struct{ Schema map[string]any }
			}
		}
	}
	anybody.ask(t, http.MethodGet, "/openapi.json").into(t, &doc)
	for _, path := range []string{"/api/v1/trainers/upload", "/api/v1/trainers/validation/{id}", "/api/v1/trainers/validation/{id}/events", "/api/v1/trainers/validation/{id}/cancel", "/healthz"} {
		if doc.Paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			inParts := slices.ContainsFunc(op.Parameters, func(p struct{ Name string }) bool { return p.Name == "limit" })
			if inParts != (op.Responses["200"].Headers["Link"] != nil) {
				t.Errorf("%s %s: has a limit: %t, but in its headers: %v", method, path, inParts, op.Responses["200"].Headers)
			}
			well, problem := false, op.Responses["default"].Content["application/problem+json"].Schema != nil
			for status, answer := range op.Responses {
				well = well || (status[0] == '2' || status[0] == '3') && answer.Description != ""
			}
			if !well || !problem {
				t.Errorf("%s %s: an answer is not described: %+v", method, path, op.Responses)
			}
		}
	}
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		if got := anybody.ask(t, http.MethodGet, path); got.status != 200 || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
