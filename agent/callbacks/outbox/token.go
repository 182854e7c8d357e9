package outbox

import (
	"net/http"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// A tokenSource remembers the bearer token and asks for it again when told.
type tokenSource struct {
	read  func() (string, error)
	token string
}

// apply sets the Authorization header. Without a token the request goes out
// without one, and the backend's 401 makes the next try ask again.
func (t *tokenSource) apply(h http.Header) {
	if t.token == "" {
		t.renew()
	}
	if t.token != "" {
		h.Set(contract.HeaderAuthorization, "Bearer "+t.token)
	}
}

// renew reads the token again and reports whether it is a new one.
func (t *tokenSource) renew() bool {
	token, err := t.read()
	token = strings.TrimSpace(token)
	if err != nil || token == "" || token == t.token {
		return false
	}
	t.token = token
	return true
}
