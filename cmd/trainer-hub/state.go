package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/catalog"
)

type stateCmd struct {
	place
	Trainer string `arg:"" placeholder:"NAME@VERSION" help:"The version."`
	State   string `arg:"" enum:"active,deprecated,yanked,quarantined,removed" help:"active, deprecated, yanked, quarantined or removed."`
	Reason  string `required:"" help:"Why: whoever trains with the version reads it."`
}

// Help has the examples.
func (stateCmd) Help() string {
	return `A deprecated version is offered with a warning. A yanked one is had only by who names it. A quarantined one
is had by nobody until it is active again; a removed one never. Owners do the first two by the API
(PATCH /api/v1/trainers/NAME/versions/VERSION) or on the page. Works beside a hub that runs. Example:

  trainer-hub state cell-counter@1.0.0 quarantined --reason "it sends images elsewhere"`
}

// Run changes the state of a version.
func (c *stateCmd) Run(ctx context.Context) error {
	name, version, ok := strings.Cut(c.Trainer, "@")
	if !ok {
		return fmt.Errorf("%q names no version: write NAME@VERSION", c.Trainer)
	}
	return c.asOperator(ctx, func(at desk) error {
		change := catalog.Change{Name: name, Version: version, To: catalog.State(c.State), Reason: c.Reason, Actor: at.operator, Operator: true}
		err := catalog.New(at.db, time.Now, func() {}).Change(ctx, change)
		if err == nil {
			fmt.Printf("%s %s is %s\n", name, version, c.State)
		}
		return err
	})
}
