package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/publish"
)

// PublishCmd sends a trainer package to a hub.
type PublishCmd struct {
	Package string `arg:"" type:"path" default:"." help:"Folder of the package, or a zip of it."`
	Hub     string `env:"TRAINER_HUB_URL" default:"http://127.0.0.1:7070" help:"Address of the hub."`
	Token   string `env:"TRAINER_HUB_TOKEN" placeholder:"TOKEN" help:"API token of the hub; better in the variable, for a command line can be read by others."`
	DryRun  bool   `help:"Have it proven and publish nothing."`
	Wait    bool   `help:"Wait for the end and print every step."`
}

// Help is shown below the flags.
func (PublishCmd) Help() string {
	return `Zips the folder (without .git, .venv, workspace and caches) and uploads it; the hub proves it as
"trainer-agent validate --strict" does. TRAINER_HUB_TOKEN is a token of the hub: "trainer-hub token
NAME" makes one. Examples:

  trainer-agent publish --dry-run --wait
  trainer-agent publish my-trainer.zip --hub https://hub.example.com

Exits with 0 when the hub took it (with --wait: when it passed), 1 when it failed, 75 when the hub
does not answer or could not prove it itself, 143 when it was told to wait no longer.`
}

// Run publishes.
func (c PublishCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := publish.New(c.Hub, c.Token)
	if err != nil {
		return err
	}
	file, remove, err := c.file()
	if err != nil {
		return err
	}
	defer remove()
	made, err := client.Upload(ctx, file, c.DryRun)
	if err != nil {
		return unanswered(err)
	}
	fmt.Printf("The hub took it: %s\n  as JSON: %s\n", client.Page(made.ID), made.URL)
	if !c.Wait {
		return nil
	}
	var news publish.News
	end, err := client.Follow(ctx, made.ID, func(at publish.Submission) {
		for _, step := range news.Of(at) {
			printStep(step)
		}
	})
	if err != nil && ctx.Err() != nil {
		fmt.Fprintf(os.Stderr, "trainer-agent: no longer waiting. The hub goes on: %s shows how it ends, and cancels it\n", client.Page(made.ID))
		return exitCode(contract.ExitStopped)
	}
	if err != nil {
		return unanswered(err)
	}
	return c.verdict(end)
}

// unanswered is an error of the hub's that says nothing of the package: worth another try.
func unanswered(err error) error {
	if _, is := errors.AsType[*publish.Away](err); !is {
		return err
	}
	fmt.Fprintln(os.Stderr, "trainer-agent:", err)
	return exitCode(contract.ExitInfra)
}

// file is the package as a zip.
func (c PublishCmd) file() (path string, remove func(), err error) {
	info, err := os.Stat(c.Package)
	if err != nil {
		return "", nil, err
	}
	if !info.IsDir() {
		return c.Package, func() {}, nil
	}
	folder, err := unpackInto("publish")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = folder.Close() }
	path = filepath.Join(folder.Dir, "trainer.zip")
	out, err := os.Create(path)
	if err == nil {
		var left []string
		left, err = publish.Pack(c.Package, out)
		if closed := out.Close(); err == nil {
			err = closed
		}
		sayLeft(left)
	}
	if err != nil {
		remove()
	}
	return path, remove, err
}

// sayLeft names what is not sent: a folder of that name may be meant to be.
func sayLeft(left []string) {
	const most = 10
	if len(left) > most {
		left = append(left[:most:most], fmt.Sprintf("and %d more", len(left)-most))
	}
	if len(left) > 0 {
		fmt.Fprintf(os.Stderr, "Not sent, as they are of a desk and no part of a package: %s. Send a zip of your own where they are.\n", strings.Join(left, ", "))
	}
}

func printStep(step contract.StepReport) {
	verdict := step.Status
	if verdict != contract.StepPassed {
		verdict = strings.ToUpper(verdict)
	}
	fmt.Printf("%-7s %-15s %6.1f s\n", verdict, step.Name, step.Seconds)
	for _, f := range step.Findings {
		place := f.File
		if f.Line > 0 {
			place += fmt.Sprintf(":%d", f.Line)
		}
		fmt.Printf("        %s: %s\n", strings.TrimSuffix(f.Severity+" "+place, " "), f.Text)
		if f.Fix != "" {
			fmt.Println("          " + f.Fix)
		}
	}
}

// verdict says how the submission ended.
func (c PublishCmd) verdict(end publish.Submission) error {
	switch {
	case end.State == "error":
		fmt.Println("The hub itself could not prove it: " + end.Reason)
		return exitCode(contract.ExitInfra)
	case end.Status != "passed":
		fmt.Printf("The package did not pass (%s): %s\n", end.State, end.Reason)
		return exitCode(contract.ExitFailed)
	case c.DryRun:
		fmt.Println("The package passed. Nothing was published: this was a dry run.")
	default:
		fmt.Println("The package passed and is published.")
	}
	return nil
}
