package hub_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/login/logintest"
)

// browser keeps cookies and stops after so many redirects.
func (r running) browser(t *testing.T) client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return client{r.URL(), "", &http.Client{Jar: jar}}
}

// session is a browser that has logged in by a one-time link.
func (r running) session(t *testing.T, name string) client {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	users := login.New(db, time.Now)
	id, err := users.Ensure(t.Context(), name, login.Author)
	if err != nil {
		t.Fatal(err)
	}
	code, err := users.Link(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	c := r.browser(t)
	if got, err := c.do(t.Context(), http.MethodPost, "/login", "application/x-www-form-urlencoded", strings.NewReader("code="+code)); err != nil || got.status != http.StatusOK {
		t.Fatalf("%+v, %v", got, err) // the page, after the login
	}
	return c
}

// enter logs in by the provider and returns where that ended, and as whom.
func (c client) enter(t *testing.T, path string) (place, name string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	var me struct{ Name string }
	if got := c.ask(t, http.MethodGet, "/api/v1/me"); got.status == http.StatusOK {
		got.into(t, &me)
	}
	return resp.Request.URL.RequestURI(), me.Name
}

func providedBy(t *testing.T, i *logintest.Issuer, domains ...string) running {
	t.Helper()
	return start(t, hub.Config{OIDC: &login.OIDC{Name: "the lab", Issuer: i.URL, ClientID: "hub", Secret: logintest.Secret, Domains: domains}})
}

func TestLoginByAProvider(t *testing.T) {
	i := logintest.New(t)
	r := providedBy(t, i)
	if got := (client{r.URL(), "", http.DefaultClient}).ask(t, http.MethodGet, "/api/v1/about"); !strings.Contains(got.body, `"login":"the lab"`) {
		t.Errorf("%+v", got)
	}
	i.Claims = map[string]any{"preferred_username": "Ann.Smith", "email": "ann@example.com"}
	if place, name := r.browser(t).enter(t, "/login/oidc?to="+url.QueryEscape("/?submission=7")); place != "/?submission=7" || name != "ann.smith" {
		t.Errorf("at %s as %q", place, name)
	}
	i.Claims["preferred_username"] = "renamed"
	if _, name := r.browser(t).enter(t, "/login/oidc"); name != "ann.smith" {
		t.Errorf("the same account again is %q", name)
	}
	// Who calls themselves like somebody else becomes nobody else.
	r.client(t, "bob")
	for n, want := range map[string]string{"bob": "bob-2", "operator": "operator-2", "Hub": "hub-2", "ann.smith": "ann.smith-2"} {
		i.Claims = map[string]any{"sub": "of " + n, "preferred_username": n}
		if _, name := r.browser(t).enter(t, "/login/oidc"); name != want {
			t.Errorf("%s is %q, want %s", n, name, want)
		}
	}
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	i := logintest.New(t)
	r := providedBy(t, i)
	for _, to := range []string{"//evil.example", "https://evil.example/", "/\\evil.example", "/login?code=x", "javascript:alert(1)", "/%2f/evil.example"} {
		if place, _ := r.browser(t).enter(t, "/login/oidc?to="+url.QueryEscape(to)); !strings.HasPrefix(place, "/?") {
			t.Errorf("%s led to %s", to, place)
		}
	}
}

func TestLoginThatLiesIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		claims map[string]any
		sign   logintest.Signer
		want   string
	}{
		"the nonce of another login": {map[string]any{"nonce": "x"}, logintest.Signed, "expired"},
		"for another client":         {map[string]any{"aud": "other"}, logintest.Signed, "away"},
		"of another issuer":          {map[string]any{"iss": "https://evil.example"}, logintest.Signed, "away"},
		"expired":                    {map[string]any{"exp": 1}, logintest.Signed, "away"},
		"unsigned":                   {nil, logintest.Unsigned, "away"},
		"signed by somebody":         {nil, logintest.Forged, "away"},
		"no subject":                 {map[string]any{"sub": ""}, logintest.Signed, "away"},
		"another domain":             {map[string]any{"email": "ann@evil.example", "email_verified": true}, logintest.Signed, "domain"},
		"a domain in a name":         {map[string]any{"email": "ann@lab.example@evil.example", "email_verified": true}, logintest.Signed, "domain"},
		"not verified":               {map[string]any{"email": "ann@lab.example"}, logintest.Signed, "domain"},
	} {
		t.Run(name, func(t *testing.T) {
			i := logintest.New(t)
			i.Claims, i.Sign = map[string]any{"email": "ann@lab.example", "email_verified": true}, c.sign
			maps.Copy(i.Claims, c.claims)
			if name == "not verified" {
				delete(i.Claims, "email_verified")
			}
			if place, who := providedBy(t, i, "lab.example").browser(t).enter(t, "/login/oidc"); place != "/?login="+c.want || who != "" {
				t.Errorf("at %s as %q", place, who)
			}
			i.Claims, i.Sign = map[string]any{"email": "Ann@LAB.example", "email_verified": true}, logintest.Signed
			if _, who := providedBy(t, i, "lab.example").browser(t).enter(t, "/login/oidc"); who != "ann" {
				t.Errorf("the truth is refused as well: %q", who)
			}
		})
	}
}

// What another site sends a browser to begins nothing: the login must have begun in it.
func TestLoginBelongsToTheBrowserThatBegan(t *testing.T) {
	i := logintest.New(t)
	r := providedBy(t, i)
	still := r.browser(t)
	still.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	began := still.ask(t, http.MethodGet, "/login/oidc")
	address, err := url.Parse(began.header.Get("Location"))
	if err != nil || began.status != http.StatusSeeOther {
		t.Fatalf("%+v, %v", began, err)
	}
	if got := address.Query(); got.Get("code_challenge_method") != "S256" || got.Get("nonce") == "" || got.Get("redirect_uri") != r.URL()+"/login/oidc/callback" {
		t.Errorf("%v", got)
	}
	if cookie := began.header.Get("Set-Cookie"); !strings.Contains(cookie, "HttpOnly; SameSite=Lax") || !strings.Contains(cookie, "Path=/login/oidc") {
		t.Errorf("%s", cookie)
	}
	state := address.Query().Get("state")
	cookie, _, _ := strings.Cut(began.header.Get("Set-Cookie"), ";")
	lies := "trainer_hub_login=" + base64.RawURLEncoding.EncodeToString([]byte(`{"State":["x"]}`))
	for name, c := range map[string]struct{ cookie, query, want string }{
		"another browser":   {"", "?code=code-1&state=" + state, "expired"},
		"another state":     {cookie, "?code=code-1&state=x", "expired"},
		"refused":           {cookie, "?error=access_denied&state=" + state, "denied"},
		"nothing":           {"", "", "expired"},
		"a cookie of lies":  {lies, "?code=code-1&state=x", "expired"},
		"a code of nowhere": {cookie, "?code=other&state=" + state, "away"},
	} {
		fresh := client{r.URL(), "", &http.Client{CheckRedirect: still.http.CheckRedirect}}
		if got := fresh.ask(t, http.MethodGet, "/login/oidc/callback"+c.query, "Cookie", c.cookie); got.header.Get("Location") != "/?login="+c.want {
			t.Errorf("%s: %d %s", name, got.status, got.header.Get("Location"))
		}
	}
}

// A provider that is away when the hub starts is asked again at the next login.
func TestProviderComesBack(t *testing.T) {
	i := logintest.New(t)
	i.Away.Store(true)
	r := providedBy(t, i)
	if place, _ := r.browser(t).enter(t, "/login/oidc"); place != "/?login=away" {
		t.Errorf("at %s", place)
	}
	i.Away.Store(false)
	if _, name := r.browser(t).enter(t, "/login/oidc"); !strings.HasPrefix(name, "user-") {
		t.Errorf("%q, who has no name", name)
	}
}

// A database that is away during a login is the hub's fault, and the person is not sent to the provider's operator.
func TestDatabaseAwayDuringALogin(t *testing.T) {
	i := logintest.New(t)
	r := providedBy(t, i)
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	move := func(from, to string) {
		if _, err := db.ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
			t.Fatal(err)
		}
	}
	move("identities", "away")
	if place, who := r.browser(t).enter(t, "/login/oidc"); place != "/?login=hub" || who != "" {
		t.Errorf("at %s as %q", place, who)
	}
	move("away", "identities")
	if place, who := r.browser(t).enter(t, "/login/oidc"); place != "/?" || who == "" {
		t.Errorf("at %s as %q", place, who)
	}
}

// A name belongs to an organisation, and each of its members may upload versions.
func TestOrganisationOwnsAName(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{"publishing": reporting()}})
	ann, bob, eve := r.client(t, "ann"), r.client(t, "bob"), r.client(t, "eve")
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	users := login.New(db, time.Now)
	member := func(name string, is bool) {
		if err := users.SetMember(t.Context(), "cell-lab", name, is); err != nil {
			t.Fatal(err)
		}
	}
	member("ann", true)
	member("bob", true)
	upload := func(c client, name, version, organisation string) reply {
		return c.upload(t, "", []part{{"metadata", fmt.Sprintf(`{"organisation": %q}`, organisation)}, {"file", pack(t, capabilities(name, version))}})
	}
	var accepted struct {
		ID string `json:"validation_job_id"`
	}
	first := upload(ann, "cell-counter", "1.0.0", "cell-lab")
	first.into(t, &accepted)
	ann.follow(t, accepted.ID)
	sees := func(c client) (one int, list string) {
		return c.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+accepted.ID).status, c.ask(t, http.MethodGet, "/api/v1/trainers/validation").body
	}
	if one, list := sees(bob); one != 200 || !strings.Contains(list, accepted.ID) || !strings.Contains(list, `"author":"ann"`) {
		t.Errorf("a member sees %d %s", one, list)
	}
	if one, list := sees(eve); one != 404 || list != "[]\n" {
		t.Errorf("a stranger sees %d %s", one, list)
	}
	for name, c := range map[string]struct {
		got    reply
		status int
		text   string
	}{
		"a member's version":        {upload(bob, "cell-counter", "1.1.0", ""), 202, ""},
		"a member who names it":     {upload(bob, "cell-counter", "1.2.0", "cell-lab"), 202, ""},
		"a stranger's version":      {upload(eve, "cell-counter", "2.0.0", ""), 422, "belongs to somebody else"},
		"a stranger in its name":    {upload(eve, "cell-painter", "1.0.0", "cell-lab"), 422, "no member of"},
		"nobody's organisation":     {upload(ann, "cell-painter", "1.0.0", "no-lab"), 422, `"body.metadata.organisation"`},
		"one's own name":            {upload(bob, "bobs-own", "1.0.0", ""), 202, ""},
		"another's look-alike":      {upload(eve, "cell-countar", "1.0.0", ""), 422, "one letter away"},
		"a user's name is no group": {upload(eve, "eves-own", "1.0.0", "bob"), 422, "no member of"},
	} {
		if c.got.status != c.status || !strings.Contains(c.got.body, c.text) {
			t.Errorf("%s: %d %s", name, c.got.status, c.got.body)
		}
	}
	member("bob", false)
	if got := upload(bob, "cell-counter", "1.3.0", ""); got.status != 422 {
		t.Errorf("who has left: %d %s", got.status, got.body)
	}
	if one, list := sees(bob); one != 404 || strings.Contains(list, accepted.ID) {
		t.Errorf("who has left sees %d %s", one, list)
	}
	if got := upload(ann, "bobs-own", "1.1.0", "cell-lab"); got.status != 422 {
		t.Errorf("another's name: %d %s", got.status, got.body)
	}
}
