// Command trainer-sandbox is a laptop's platform in one command: an S3 store, a
// backend that records every callback, and a page that shows jobs live.
//
// It promises that a job which works against it works against the platform: the
// store checks signatures, the backend checks every field. It leaves training to
// trainer-agent, which `trainer-sandbox demo` runs for real.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/vision-platform/trainer-agent/contract"
)

// The laptop's well-known bucket and token.
const (
	defaultBucket = "vision-platform"
	defaultToken  = "sandbox-token"
)

type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the store, the backend and the page until Ctrl-C."`
	Demo    demoCmd    `cmd:"" help:"Run one real training job end to end and check that all of it happened."`
	Put     putCmd     `cmd:"" help:"Upload a dataset to the store, this one or any S3 bucket."`
	Version versionCmd `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

type versionCmd struct{}

func (versionCmd) Run() error { //nolint:unparam // kong wants it
	fmt.Println(versionLine())
	return nil
}

func versionLine() string {
	return fmt.Sprintf("trainer-sandbox %s (%s)", contract.Version, contract.Commit)
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parser := kong.Must(&cli{},
		kong.Name("trainer-sandbox"), kong.UsageOnError(),
		kong.Description("A laptop's platform in one command: S3 store, callback backend, and a page at its address."),
		kong.Vars{"version": versionLine()},
		kong.BindTo(ctx, (*context.Context)(nil)))
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	parser.FatalIfErrorf(err)
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "trainer-sandbox:", err)
		if code, ok := errors.AsType[exitCode](err); ok {
			return int(code)
		}
		return 1
	}
	return 0
}

// exitCode is an error that asks for an exit code of its own.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
