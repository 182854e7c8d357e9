package delivery

import (
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Bounds of one delivery (section 4 of the contract).
const (
	TryTimeout    = 10 * time.Second // one try, its body included
	BackoffMin    = time.Second      // ceiling of the first wait
	BackoffMax    = 60 * time.Second // ceiling of every later one
	RetryAfterMax = 5 * time.Minute  // the longest Retry-After that is honoured
	RotationGrace = 3 * time.Minute  // since the last good answer: a 401 may be a token that comes later
)

// Options configure a Client. All but Rand are required.
type Options struct {
	Backend Backend
	Log     *slog.Logger
	Now     func() time.Time
	Rand    func() float64 // [0, 1); nil means math/rand/v2
}

// Backend is whom the messages are for, and how it is reached.
type Backend struct {
	URL   string // http or https, no trailing slash needed
	Token Token

	// Transport replaces the transport that CAFile and Getenv describe.
	Transport http.RoundTripper
	CAFile    string              // PEM, added to the system's (AGENT_CA_FILE)
	Getenv    func(string) string // HTTPS_PROXY, HTTP_PROXY, NO_PROXY; nil means no proxy
}

// Token is the bearer token.
type Token struct {
	// Read returns it. It is called before the first try and again after a 401 or
	// 403, so a token that a file supplies may change under way.
	Read func() (string, error)
	// Variable is where a person sets it: CALLBACK_TOKEN, or CALLBACK_TOKEN_FILE,
	// which means that it can change.
	Variable string
}

// rotates reports whether another token may come.
func (t Token) rotates() bool { return strings.HasSuffix(t.Variable, "_FILE") }
