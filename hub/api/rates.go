package api

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often one address may ask. Logins are few, so that no code can be guessed;
// uploads are few, because each is minutes of work.
var (
	rateLogin  = rate.Every(6 * time.Second) // of one-time codes, which could be guessed
	rateOIDC   = rate.Every(time.Second)     // many people may share an address; each try asks the provider
	rateUpload = rate.Every(10 * time.Second)
	rateOther  = rate.Limit(50)
)

const (
	burstLogin  = 20 // a login is two requests: the link, and its button
	burstOIDC   = 50
	burstUpload = 20
	burstOther  = 200
	maxClients  = 10000 // addresses that are remembered
)

// rates limits how often each address asks.
type rates struct {
	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

func newRates() *rates { return &rates{clients: map[string]*rate.Limiter{}} }

func (r *rates) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.client(req).Allow() {
			problem(w, http.StatusTooManyRequests, "too many requests from this address: wait a moment")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// client is the limiter of an address and a kind of request. The address is the
// connection's: what a header says anybody may write.
func (r *rates) client(req *http.Request) *rate.Limiter {
	kind, limit, burst := "other", rateOther, burstOther
	switch {
	case strings.HasPrefix(req.URL.Path, "/login/oidc"):
		kind, limit, burst = "oidc", rateOIDC, burstOIDC
	case strings.HasPrefix(req.URL.Path, "/login"):
		kind, limit, burst = "login", rateLogin, burstLogin
	case req.Method == http.MethodPost && req.URL.Path == uploadPath:
		kind, limit, burst = "upload", rateUpload, burstUpload
	}
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		host = req.RemoteAddr
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := kind + " " + host
	if known := r.clients[key]; known != nil {
		return known
	}
	if len(r.clients) >= maxClients {
		clear(r.clients) // everybody begins again: a flood of addresses costs no memory
	}
	limiter := rate.NewLimiter(limit, burst)
	r.clients[key] = limiter
	return limiter
}
