// Package api is the hub's door: HTTP for the page, for `trainer-agent publish` and
// for curl. Its rooms are groups of addresses: upload, proofs, trainers, trainings and
// logins, behind one door.
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

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/api/logins"
	"github.com/vision-platform/trainer-agent/hub/api/proofs"
	"github.com/vision-platform/trainer-agent/hub/api/trainers"
	"github.com/vision-platform/trainer-agent/hub/api/trainings"
	"github.com/vision-platform/trainer-agent/hub/api/upload"
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
	Packages    blob.Store
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
	d := door.New(a.Users, a.Log)
	d.Mux.HandleFunc("GET /{$}", a.Page.ServeHTTP)
	d.Mux.HandleFunc("GET /assets/", a.Page.ServeHTTP)
	health(d, a.Ready)
	a.about().register(d)
	logins.Register(d, a.URL, a.OIDC)
	upload.Uploads{Intake: a.Submissions.Intake, Packages: a.Packages, MaxPackage: a.MaxPackage, URL: a.URL, Publishes: a.Publishes}.Register(d)
	proofs.Proofs{Submissions: a.Submissions}.Register(ctx, d)
	audits(d, a.Audit)
	trainers.Trainers{Catalog: a.Catalog, Records: a.Submissions.Records, Packages: a.Packages, Registry: a.Registry, Key: a.Key}.Register(d)
	notifications{d.Gate, a.Notifications}.register(d.Doc)
	trainings.Trainings{Catalog: a.Catalog, Kept: a.Trainings, Platform: a.Platform}.Register(d)
	return d.Handler(a.BehindProxy)
}
