package hub_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
)

// issuer is a login provider that lets everybody in as its claims say, and may lie.
type issuer struct {
	*httptest.Server
	key    *rsa.PrivateKey
	claims map[string]any
	signer func(*rsa.PrivateKey, []byte) string
	away   atomic.Bool
	began  url.Values // of the login on its way
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i, mux := &issuer{key: key, claims: map[string]any{}, signer: signed}, http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if i.away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		answer(w, map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		i.began = r.URL.Query()
		back := url.Values{"state": {i.began.Get("state")}, "code": {"code-1"}}
		http.Redirect(w, r, i.began.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /token", i.token)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// token is as strict as a good provider: a code works once, and with its verifier only.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if i.began == nil || r.FormValue("code") != "code-1" || id != "hub" || secret != "s3cret" ||
		i.began.Get("code_challenge_method") != "S256" || i.began.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{"iss": i.URL, "aud": "hub", "sub": "1", "nonce": i.began.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(claims, i.claims)
	i.began = nil
	text, _ := json.Marshal(claims)
	answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": i.signer(i.key, text)})
}

func signed(key *rsa.PrivateKey, claims []byte) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		return err.Error()
	}
	token, err := signer.Sign(claims)
	if err != nil {
		return err.Error()
	}
	text, _ := token.CompactSerialize()
	return text
}

func unsigned(_ *rsa.PrivateKey, claims []byte) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
}

func forged(_ *rsa.PrivateKey, claims []byte) string {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err.Error()
	}
	return signed(other, claims)
}

// browser keeps cookies and stops after so many redirects.
func (r running) browser(t *testing.T) client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return client{r.URL(), "", &http.Client{Jar: jar}}
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

func (i *issuer) hub(t *testing.T, domains ...string) running {
	t.Helper()
	return start(t, hub.Config{OIDC: &login.OIDC{Name: "the lab", Issuer: i.URL, ClientID: "hub", Secret: "s3cret", Domains: domains}})
}

func TestLoginByAProvider(t *testing.T) {
	i := newIssuer(t)
	r := i.hub(t)
	if got := (client{r.URL(), "", http.DefaultClient}).ask(t, http.MethodGet, "/api/v1/about"); !strings.Contains(got.body, `"login":"the lab"`) {
		t.Errorf("%+v", got)
	}
	i.claims = map[string]any{"preferred_username": "Ann.Smith", "email": "ann@example.com"}
	if place, name := r.browser(t).enter(t, "/login/oidc?to="+url.QueryEscape("/?submission=7")); place != "/?submission=7" || name != "ann.smith" {
		t.Errorf("at %s as %q", place, name)
	}
	i.claims["preferred_username"] = "renamed"
	if _, name := r.browser(t).enter(t, "/login/oidc"); name != "ann.smith" {
		t.Errorf("the same account again is %q", name)
	}
	// Who calls themselves like somebody else becomes nobody else.
	r.client(t, "bob")
	for n, want := range map[string]string{"bob": "bob-2", "operator": "operator-2", "Hub": "hub-2", "ann.smith": "ann.smith-2"} {
		i.claims = map[string]any{"sub": "of " + n, "preferred_username": n}
		if _, name := r.browser(t).enter(t, "/login/oidc"); name != want {
			t.Errorf("%s is %q, want %s", n, name, want)
		}
	}
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	i := newIssuer(t)
	r := i.hub(t)
	for _, to := range []string{"//evil.example", "https://evil.example/", "/\\evil.example", "/login?code=x", "javascript:alert(1)", "/%2f/evil.example"} {
		if place, _ := r.browser(t).enter(t, "/login/oidc?to="+url.QueryEscape(to)); !strings.HasPrefix(place, "/?") {
			t.Errorf("%s led to %s", to, place)
		}
	}
}

func TestLoginThatLiesIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		claims map[string]any
		signer func(*rsa.PrivateKey, []byte) string
		want   string
	}{
		"the nonce of another login": {map[string]any{"nonce": "x"}, signed, "expired"},
		"for another client":         {map[string]any{"aud": "other"}, signed, "away"},
		"of another issuer":          {map[string]any{"iss": "https://evil.example"}, signed, "away"},
		"expired":                    {map[string]any{"exp": 1}, signed, "away"},
		"unsigned":                   {nil, unsigned, "away"},
		"signed by somebody":         {nil, forged, "away"},
		"no subject":                 {map[string]any{"sub": ""}, signed, "away"},
		"another domain":             {map[string]any{"email": "ann@evil.example", "email_verified": true}, signed, "domain"},
		"a domain in a name":         {map[string]any{"email": "ann@lab.example@evil.example", "email_verified": true}, signed, "domain"},
		"not verified":               {map[string]any{"email": "ann@lab.example"}, signed, "domain"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.claims, i.signer = map[string]any{"email": "ann@lab.example", "email_verified": true}, c.signer
			maps.Copy(i.claims, c.claims)
			if name == "not verified" {
				delete(i.claims, "email_verified")
			}
			if place, who := i.hub(t, "lab.example").browser(t).enter(t, "/login/oidc"); place != "/?login="+c.want || who != "" {
				t.Errorf("at %s as %q", place, who)
			}
			i.claims, i.signer = map[string]any{"email": "Ann@LAB.example", "email_verified": true}, signed
			if _, who := i.hub(t, "lab.example").browser(t).enter(t, "/login/oidc"); who != "ann" {
				t.Errorf("the truth is refused as well: %q", who)
			}
		})
	}
}

// What another site sends a browser to begins nothing: the login must have begun in it.
func TestLoginBelongsToTheBrowserThatBegan(t *testing.T) {
	i := newIssuer(t)
	r := i.hub(t)
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
	i := newIssuer(t)
	i.away.Store(true)
	r := i.hub(t)
	if place, _ := r.browser(t).enter(t, "/login/oidc"); place != "/?login=away" {
		t.Errorf("at %s", place)
	}
	i.away.Store(false)
	if _, name := r.browser(t).enter(t, "/login/oidc"); !strings.HasPrefix(name, "user-") {
		t.Errorf("%q, who has no name", name)
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
	if got := upload(ann, "bobs-own", "1.1.0", "cell-lab"); got.status != 422 {
		t.Errorf("another's name: %d %s", got.status, got.body)
	}
}
