// Package logins are the ways into the hub (one-time links, a provider, tokens), and who
// is in.
//
// It promises that no cookie is read by a script or sent to another site, and that a
// login leads nowhere else than to the hub. It leaves what a login is to hub/login.
package logins

import (
	"strings"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
)

// Register puts the handlers in, of a hub that people reach at an address; oidc is nil where
// there is no provider.
func Register(d door.Door, address string, oidc *login.OIDC) {
	set := cookies{secure: strings.HasPrefix(address, "https:")}
	links{d, set}.register()
	sessions(d, set)
	if oidc != nil {
		provider{d, set, oidc}.register()
	}
	tokens{d.Gate}.register(d.Doc)
}
