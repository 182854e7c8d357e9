package door

import (
	"net"
	"net/http"
	"net/netip"
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
	behindProxy bool
	mu          sync.Mutex
	clients     map[string]*rate.Limiter
}

func newRates(behindProxy bool) *rates {
	return &rates{behindProxy: behindProxy, clients: map[string]*rate.Limiter{}}
}

func (r *rates) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.client(req).Allow() {
			Problem(w, http.StatusTooManyRequests, "too many requests from this address: wait a moment")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// client is the limiter of an address and a kind of request.
func (r *rates) client(req *http.Request) *rate.Limiter {
	kind, limit, burst := "other", rateOther, burstOther
	switch {
	case strings.HasPrefix(req.URL.Path, "/login/oidc"):
		kind, limit, burst = "oidc", rateOIDC, burstOIDC
	case strings.HasPrefix(req.URL.Path, "/login"):
		kind, limit, burst = "login", rateLogin, burstLogin
	case req.Method == http.MethodPost && req.URL.Path == UploadPath:
		kind, limit, burst = "upload", rateUpload, burstUpload
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := kind + " " + r.address(req)
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

// address is the connection's, for what a header says anybody may write; behind a proxy it is
// what the proxy itself has put at the end of X-Forwarded-For.
func (r *rates) address(req *http.Request) string {
	if said := req.Header.Values("X-Forwarded-For"); r.behindProxy && len(said) > 0 {
		last := said[len(said)-1]
		if address, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); err == nil {
			return address.String()
		}
	}
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	return host
}
