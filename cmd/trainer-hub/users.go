package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
)

// who is the user that a command is about.
type who struct {
	User     string `arg:"" help:"Name of the user."`
	Operator bool   `help:"Make the user an operator, who sees every submission and the audit log and may use the platform's names."`
}

// missing is an error where there is no database yet.
func (p place) missing() error {
	if p.Database != "" {
		return nil
	}
	_, err := os.Stat(filepath.Join(p.DataDir, "hub.db"))
	return err
}

// ensure opens the database and returns its users and the user's id.
func (w who) ensure(ctx context.Context, at place, do func(users *login.Users, id string) error) error {
	if at.missing() != nil {
		fmt.Fprintf(os.Stderr, "trainer-hub: no hub was started in %s yet: this makes its database. A hub that runs elsewhere does not know of it (--data-dir).\n", at.DataDir)
	}
	db, err := hub.OpenDatabase(ctx, at.DataDir, at.Database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	role := login.Author
	if w.Operator {
		role = login.Operator
	}
	users := login.New(db, time.Now)
	id, err := users.Ensure(ctx, w.User, role)
	if err == nil && w.Operator {
		err = users.Promote(ctx, id)
	}
	if err != nil {
		return err
	}
	return do(users, id)
}

type tokenCmd struct {
	place
	who
	Scope []string `default:"read,publish" help:"What the token may do: read, publish; usage, for the platform's own token (--operator), tells the hub what was trained."`
	Days  int      `default:"90" help:"Days for which it works."`
}

// Help has the examples.
func (tokenCmd) Help() string {
	return `The token is printed once; the database keeps its SHA-256. Example:

  export TRAINER_HUB_TOKEN=$(trainer-hub token ann --days 30)`
}

// Run makes a token, beside a hub that runs or without one.
func (c *tokenCmd) Run(ctx context.Context) error {
	return c.ensure(ctx, c.place, func(users *login.Users, id string) error {
		_, secret, err := users.MakeToken(ctx, id, "made by trainer-hub token", c.Scope, time.Duration(c.Days)*24*time.Hour)
		if err == nil {
			fmt.Println(secret)
		}
		return err
	})
}

type linkCmd struct {
	place
	who
	URL string `env:"TRAINER_HUB_URL" default:"http://127.0.0.1:7070" help:"Where people reach the hub."`
}

// Run makes a link.
func (c *linkCmd) Run(ctx context.Context) error {
	return c.ensure(ctx, c.place, func(users *login.Users, id string) error {
		code, err := users.Link(ctx, id)
		if err == nil {
			fmt.Println(c.URL + "/login?code=" + code)
		}
		return err
	})
}

type orgCmd struct {
	place
	Organisation string   `arg:"" help:"Name of the organisation."`
	Add          []string `placeholder:"USER" help:"Users to add."`
	Remove       []string `placeholder:"USER" help:"Users to remove."`
}

// Help has the examples.
func (orgCmd) Help() string {
	return `An organisation owns names of trainers: each of its members may upload versions of them. Nobody logs in
as it. Prints its members. Examples:

  trainer-hub org cell-lab --add ann,bob
  trainer-hub org cell-lab --remove bob`
}

// Run changes the members and prints them.
func (c *orgCmd) Run(ctx context.Context) error {
	if err := c.missing(); err != nil {
		return fmt.Errorf("there is no hub's database in %s: set --data-dir or --database (%w)", c.DataDir, err)
	}
	db, err := hub.OpenDatabase(ctx, c.DataDir, c.Database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	users := login.New(db, time.Now)
	for _, name := range c.Add {
		if err := users.SetMember(ctx, c.Organisation, name, true); err != nil {
			return err
		}
	}
	for _, name := range c.Remove {
		if err := users.SetMember(ctx, c.Organisation, name, false); err != nil {
			return err
		}
	}
	members, err := users.Members(ctx, c.Organisation)
	for _, name := range members {
		fmt.Println(name)
	}
	return err
}

type auditCmd struct {
	place
	Last int `placeholder:"N" help:"Print the last N acts as JSON, one a line, oldest first."`
}

// Run checks the chain of the audit log.
func (c *auditCmd) Run(ctx context.Context) error {
	if err := c.missing(); err != nil {
		return fmt.Errorf("there is no hub's database in %s: set --data-dir or --database (%w)", c.DataDir, err)
	}
	db, err := hub.OpenDatabase(ctx, c.DataDir, c.Database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	acts, err := db.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	if c.Last == 0 {
		fmt.Printf("%d acts, unchanged\n", acts)
		return nil
	}
	last, err := db.Acts(ctx, 0, c.Last)
	slices.Reverse(last)
	for _, act := range last {
		line, _ := json.Marshal(act) // strings and numbers, and JSON that was written as such
		fmt.Println(string(line))
	}
	return err
}
