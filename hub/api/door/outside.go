package door

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// outside is what every request goes through before it comes to its address.
func outside(log *slog.Logger, rates *rates, inside http.Handler) http.Handler {
	return headers(recovered(log, rates.limit(text(ownSite().Handler(inside)))))
}

// text refuses an address that is no text for a database: that is the caller's mistake, and
// no database that is away.
func text(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _ := url.QueryUnescape(r.URL.RawQuery) // what cannot be read is in no value
		for _, part := range []string{r.URL.Path, query} {
			if !utf8.ValidString(part) || strings.ContainsRune(part, 0) {
				Problem(w, http.StatusNotFound, "there is nothing at this address: it is no UTF-8, or has a NUL")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// ownSite refuses what another site makes a browser send.
func ownSite() *http.CrossOriginProtection {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		Problem(w, http.StatusForbidden, "another site made this browser send the request, so it was refused; a proxy before the hub must pass the Host header on as it is")
	}))
	return protection
}

// headers are those that every answer has: no other origin may run, frame or read
// anything here.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// recovered answers 500 for a bug of ours; the rest of the hub goes on.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			bug := recover()
			if err, ok := bug.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				return // a client that went away
			}
			if bug != nil {
				log.Error("a request met a bug", "method", r.Method, "path", r.URL.Path, "bug", bug)
				Problem(w, http.StatusInternalServerError, "the hub met a bug of its own; its log says more")
			}
		}()
		next.ServeHTTP(w, r)
	})
}
