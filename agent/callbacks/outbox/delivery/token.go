package delivery

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/vision-platform/trainer-agent/contract"
)

// A TokenSource remembers the bearer token, asks for it again after a 401, and knows
// how long one that the backend does not take may still become a good one.
type TokenSource struct {
	from    Token
	log     *slog.Logger
	now     func() time.Time
	Renewed func(token string) // called with each new token

	token    string
	unusable error     // why what was read is no token
	good     time.Time // of the last answer that took the token, or of the beginning
	named    bool      // the variable was named in the log
}

func newTokenSource(o Options) *TokenSource {
	return &TokenSource{from: o.Backend.Token, log: o.Log, now: o.Now, good: o.Now(), Renewed: func(string) {}}
}

// cleanToken drops what editors add to a file: white space around it, and a
// byte-order mark before it.
func cleanToken(token string) string {
	return strings.TrimSpace(strings.TrimPrefix(token, "\ufeff"))
}

// apply sets the Authorization header. Without a token the request goes out
// without one, and the backend's 401 makes the next try ask again.
func (t *TokenSource) apply(h http.Header) {
	if t.token == "" {
		t.Renew()
	}
	if t.token != "" {
		h.Set(contract.HeaderAuthorization, "Bearer "+t.token)
	}
}

// Renew reads the token again and reports whether it is a new one.
func (t *TokenSource) Renew() bool {
	token, err := t.from.Read()
	token = cleanToken(token)
	switch {
	case err != nil:
		t.unusable = err
	case token == "":
		t.unusable = fmt.Errorf("%s is empty", t.from.Variable)
	case !httpguts.ValidHeaderFieldValue(token):
		t.unusable = fmt.Errorf("%s holds a line break or another character that no HTTP header can carry", t.from.Variable)
	case token != t.token:
		t.token, t.unusable = token, nil
		t.Renewed(token)
		return true
	}
	return false
}

// Value is the token, "" while there is none.
func (t *TokenSource) Value() string { return t.token }

// taken takes note of an answer to a request with the token.
func (t *TokenSource) taken() { t.good, t.named = t.now(), false }

// patient reports whether a 401 may be over soon: the file of a token is synced
// later than the backend rotates it. For the final message that holds to the end.
func (t *TokenSource) patient(final bool) bool {
	return t.from.rotates() && (final || t.now().Sub(t.good) < RotationGrace)
}

// refused is the error of a 401 or 403, which names the variable; it is logged once
// until a token is taken again.
func (t *TokenSource) refused(status string) error {
	err := fmt.Errorf("the backend answered %s: check %s", status, t.from.Variable)
	if t.unusable != nil {
		err = fmt.Errorf("%w (%w)", err, t.unusable)
	}
	if !t.named {
		t.named = true
		t.log.Error("the backend does not take the callback token", "error", err)
	}
	return err
}
