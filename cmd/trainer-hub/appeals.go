package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const appealsAtOnce = 200

type appealsCmd struct {
	place
	All    bool   `help:"Print those that were decided too."`
	Grant  string `placeholder:"ID" xor:"decision" help:"Grant this appeal: its package is proven again, and the rule passes for a file of these bytes from now on."`
	Refuse string `placeholder:"ID" xor:"decision" help:"Refuse this appeal."`
	Reason string `help:"Why; the author reads it."`
}

// Help has the examples.
func (appealsCmd) Help() string {
	return `Prints the appeals that wait, and decides one. Works beside a hub that runs. Examples:

  trainer-hub appeals
  trainer-hub appeals --grant 0193… --reason "the pickle only asks for its process's number"
  trainer-hub appeals --refuse 0193… --reason "take the code out of weights.pkl"`
}

// Run prints appeals, or decides one.
func (c *appealsCmd) Run(ctx context.Context) error {
	return c.asOperator(ctx, func(at desk) error {
		submissions := submission.New(at.db, time.Now)
		if id := c.Grant + c.Refuse; id != "" {
			err := submissions.Appeals.Decide(ctx, id, submission.Decision{Grant: c.Grant != "", Answer: c.Reason, Actor: at.operator})
			if err == nil {
				fmt.Printf("appeal %s is %s\n", id, map[bool]string{true: "granted", false: "refused"}[c.Grant != ""])
			}
			return err
		}
		if c.Reason != "" {
			return errors.New("--reason decides nothing without --grant ID or --refuse ID")
		}
		return c.print(ctx, submissions.Records)
	})
}

// print prints all of the list, however long it is.
func (c *appealsCmd) print(ctx context.Context, records *submission.Records) error {
	from := store.Newest()
	for {
		list, err := records.Appeals(ctx, "", !c.All, from, appealsAtOnce)
		if err != nil {
			return err
		}
		for _, a := range list {
			from = a.Place()
			fmt.Printf("%s  %s  %s %s by %s, submission %s\n  %s\n", a.ID, a.State, a.Name, a.Version, a.Author, a.SubmissionID, ui.Clean(a.Reason)) // a stranger's words
			if a.Answer != "" {
				fmt.Printf("  answered: %s\n", ui.Clean(a.Answer))
			}
		}
		if len(list) == appealsAtOnce {
			continue
		}
		if from == store.Newest() {
			fmt.Println("no appeals")
		}
		return nil
	}
}
