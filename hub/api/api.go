// Package api is the hub's door: HTTP for the page, for `trainer-agent publish` and
// for curl. It knows the rooms that it lets people into (submission, blob, login).
//
// It promises that whoever asks is known and may do it, that nothing is read
// without a limit, that every error is an RFC 9457 problem which names the field
// and the fix, and that /openapi.json describes every address. It leaves the proof
// of a package to the hub.
package api

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// API serves the hub. Every field but Registry and Key is required.
type API struct {
	Submissions *submission.Submissions
	Packages    *blob.Folder
	Users       *login.Users
	// Notifications are how submissions ended.
	Notifications *notify.Notifications
	// MaxPackage is the most bytes of an uploaded package.
	MaxPackage int64
	// URL is where people reach the hub, without a slash at its end.
	URL string
	// BehindProxy says that the only way here is a proxy, which says in X-Forwarded-For who asks.
	BehindProxy bool
	// Ready returns why the hub cannot work, or nil.
	Ready func(context.Context) error
	Audit *store.DB
	// OIDC is the login provider; nil when there is none.
	OIDC *login.OIDC
	// Page serves "/" and "/assets/".
	Page http.Handler
	// Publishes says whether what was proven is published; without it every upload
	// must be a dry run.
	Publishes bool
	// Registry has what is published, and Key is who signs it; nil where nothing is.
	Registry registry.Registry
	Key      ed25519.PublicKey
	Log      *slog.Logger
}

// Handler returns everything that the hub serves. Long answers end with ctx.
func (a *API) Handler(ctx context.Context) http.Handler {
	mux := newPaths()
	config := huma.DefaultConfig("trainer-hub", contract.Version)
	config.DocsPath, config.SchemasPath = "", "" // the documentation page would come from another origin
	config.CreateHooks = nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token: tah_…"},
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie},
	}
	doc := humago.New(mux, config)
	d := door{API: a, doc: doc, mux: mux, closing: ctx, reading: newAtOnce(maxReceiving), following: newAtOnce(maxFollowing)}
	d.health()
	d.about()
	d.links()
	d.sessions()
	d.provider()
	d.tokens()
	d.uploads()
	d.validations()
	d.streams()
	d.audits()
	d.trainers()
	d.images()
	d.notifications()
	return headers(recovered(a.Log, newRates(a.BehindProxy).limit(text(ownSite().Handler(mux)))))
}

// text refuses an address that is no text for a database: that is the caller's mistake, and
// no database that is away.
func text(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _ := url.QueryUnescape(r.URL.RawQuery) // what cannot be read is in no value
		for _, part := range []string{r.URL.Path, query} {
			if !utf8.ValidString(part) || strings.ContainsRune(part, 0) {
				problem(w, http.StatusNotFound, "there is nothing at this address: it is no UTF-8, or has a NUL")
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
		problem(w, http.StatusForbidden, "another site made this browser send the request, so it was refused; a proxy before the hub must pass the Host header on as it is")
	}))
	return protection
}

// door is one handler being put together.
type door struct {
	*API
	doc       huma.API
	mux       paths
	closing   context.Context
	reading   *atOnce // uploads
	following *atOnce // streams
}

// raw puts a handler on the mux that huma would buffer, and describes it.
func (d door) raw(op huma.Operation, handler http.HandlerFunc) {
	op.Errors, op.Responses = nil, describe(op)
	d.doc.OpenAPI().AddOperation(&op)
	d.mux.HandleFunc(op.Method+" "+op.Path, handler)
}

func describe(op huma.Operation) map[string]*huma.Response {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "A problem (RFC 9457).", Content: map[string]*huma.MediaType{"application/problem+json": {}}}
	return op.Responses
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
				problem(w, http.StatusInternalServerError, "the hub met a bug of its own; its log says more")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// health are the probes. They ask for no login.
func (d door) health() {
	d.raw(huma.Operation{OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the hub lives"}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	d.raw(huma.Operation{OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Summary: "Whether the hub can take uploads"}, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := d.Ready(ctx); err != nil {
			problem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}
