// Package trainers is what is published: lists and pages of trainers, their versions, and
// the bytes that a job needs.
//
// It promises that a withdrawn version is offered to nobody whom it is withdrawn from. It
// leaves which those are to hub/catalog.
package trainers

import (
	"crypto/ed25519"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// Trainers are what is published.
type Trainers struct {
	Catalog *catalog.Catalog
	// Records and Packages are of the submissions behind them.
	Records  *submission.Records
	Packages blob.Store
	// Registry has their bytes, and Key is who signs them; nil where nothing is published.
	Registry registry.Registry
	Key      ed25519.PublicKey
}

// Register puts the handlers in.
func (t Trainers) Register(d door.Door) {
	published := trainers{d, t.Catalog, t.Registry, t.Key}
	published.register()
	shelf{published, t.Records, t.Packages}.register()
	versions{d.Gate, t.Catalog, published.publishedAs}.register(d.Doc)
	images(d, t.Registry, t.Catalog)
}
