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
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

// API serves the hub. Every field but Platform, OIDC, Registry and Key is required.
type API struct {
	Submissions *submission.Desk
	Catalog     *catalog.Catalog
	Packages    *blob.Folder
	Users       *login.Users
	// Notifications are how submissions ended.
	Notifications *notify.Notifications
	// Trainings are what was trained with what is published.
	Trainings *usage.Trainings
	// Platform is whom the callbacks of jobs are passed on to; nil for nobody.
	Platform *url.URL
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
	doc.UseMiddleware(onlyKnown(doc))
	d := door{gate: gate{a.Users, a.Log}, doc: doc, mux: mux}
	d.mux.HandleFunc("GET /{$}", a.Page.ServeHTTP)
	d.mux.HandleFunc("GET /assets/", a.Page.ServeHTTP)
	health(d, a.Ready)
	a.about().register(d)
	a.logins(d)
	a.proofs(ctx, d)
	audits(d, a.Audit)
	published := trainers{d, a.Catalog, a.Registry, a.Key}
	published.register()
	shelf{published, a.Submissions.Records, a.Packages}.register()
	versions{d.gate, a.Catalog, published.publishedAs}.register(d.doc)
	images(d, a.Registry, a.Catalog)
	notifications{d.gate, a.Notifications}.register(d.doc)
	usages{d, a.Catalog, a.Trainings}.register()
	if a.Platform != nil {
		callbacks{d, a.Trainings, a.Platform}.register()
	}
	return outside(a.Log, newRates(a.BehindProxy), mux)
}

// logins are the ways in, and who is in.
func (a *API) logins(d door) {
	set := cookies{secure: strings.HasPrefix(a.URL, "https:")}
	links{d, set}.register()
	sessions(d, set)
	if a.OIDC != nil {
		provider{d, set, a.OIDC}.register()
	}
	tokens{d.gate}.register(d.doc)
}

// proofs are uploads, and what becomes of them.
func (a *API) proofs(ctx context.Context, d door) {
	uploads{
		gate: d.gate, intake: a.Submissions.Intake, reader: reader{a.Packages, a.MaxPackage, a.Log},
		url: a.URL, publishes: a.Publishes, reading: newAtOnce(maxReceiving),
	}.register(d)
	own := theirs{d.gate, a.Submissions.Records}
	validations{own, a.Submissions.Acts}.register(d.doc)
	appeals{own, a.Submissions.Appeals}.register(d.doc)
	streams{own, a.Submissions.Bell, ctx, newAtOnce(maxFollowing)}.register(d)
	logs{own, a.Submissions.Output}.register(d)
}
