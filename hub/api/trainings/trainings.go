// Package trainings is what is trained with published versions: what a job or its
// platform tells, and what the pages of trainers say of it.
//
// It promises that a callback is passed on as it came, and counted only if the platform
// took it. It leaves what counts to hub/usage.
package trainings

import (
	"net/url"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

// Trainings are what was trained.
type Trainings struct {
	Catalog *catalog.Catalog
	Kept    *usage.Trainings
	// Platform is whom the callbacks of jobs are passed on to; nil for nobody.
	Platform *url.URL
}

// Register puts the handlers in.
func (t Trainings) Register(d door.Door) {
	usages{d, t.Catalog, t.Kept}.register()
	if t.Platform != nil {
		callbacks{d, t.Kept, t.Platform}.register()
	}
}
