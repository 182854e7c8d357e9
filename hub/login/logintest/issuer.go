// Package logintest is a login provider for tests.
package logintest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Secret is the client secret.
const Secret = "s3cret"

// Signer makes an ID token of its claims.
type Signer func(*rsa.PrivateKey, []byte) string

// Issuer is a login provider that lets everybody in as its claims say, and may lie.
type Issuer struct {
	*httptest.Server
	Claims map[string]any // beside, or in place of, what a token must have
	Sign   Signer
	Away   atomic.Bool
	key    *rsa.PrivateKey
	began  url.Values // of the login on its way
}

// New starts one for the client "hub" with the secret Secret.
func New(t *testing.T) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i, mux := &Issuer{key: key, Claims: map[string]any{}, Sign: Signed}, http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if i.Away.Load() {
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
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if i.began == nil || r.FormValue("code") != "code-1" || id != "hub" || secret != Secret ||
		i.began.Get("code_challenge_method") != "S256" || i.began.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{"iss": i.URL, "aud": "hub", "sub": "1", "nonce": i.began.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(claims, i.Claims)
	i.began = nil
	text, _ := json.Marshal(claims)
	answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": i.Sign(i.key, text)})
}

// Signed signs as a provider does.
func Signed(key *rsa.PrivateKey, claims []byte) string {
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

// Unsigned says that there is nothing to check.
func Unsigned(_ *rsa.PrivateKey, claims []byte) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
}

// Forged signs with a key that is nobody's.
func Forged(_ *rsa.PrivateKey, claims []byte) string {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err.Error()
	}
	return Signed(other, claims)
}
