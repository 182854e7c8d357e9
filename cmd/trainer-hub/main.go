// Command trainer-hub takes uploaded trainer packages and proves them: hub/ does
// the work, this reads the command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/scan"
)

type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the hub until Ctrl-C."`
	Token   tokenCmd   `cmd:"" help:"Make an API token for a user, who is made when new."`
	Link    linkCmd    `cmd:"" help:"Make a one-time login link for a user, who is made when new."`
	Org     orgCmd     `cmd:"" help:"Show or change the members of an organisation, which owns names of trainers."`
	Appeals appealsCmd `cmd:"" help:"Print the appeals of authors whose packages were rejected, and decide them."`
	State   stateCmd   `cmd:"" help:"Deprecate, yank, quarantine, remove or restore a version."`
	Audit   auditCmd   `cmd:"" help:"Check that the audit log was not changed, and print it."`
	Scan    scanCmd    `cmd:"" help:"Scan a package as the hub scans an upload; none of its code runs."`
	Vulndb  vulndbCmd  `cmd:"" help:"Keep the known vulnerabilities of Python packages."`
	Step    stepCmd    `cmd:"" hidden:"" help:"The first process of a pod that proves a package."`
	Version versionCmd `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// place is where a hub keeps its things; every command needs it.
type place struct {
	DataDir  string `env:"TRAINER_HUB_DATA" default:"trainer-hub-data" type:"path" help:"Folder of the packages, and of the database unless --database says otherwise."`
	Database string `env:"TRAINER_HUB_DATABASE" placeholder:"URL" help:"postgres://… in place of SQLite in the data folder."`
}

type versionCmd struct{}

func (versionCmd) Run() error { //nolint:unparam // kong wants it
	fmt.Println(versionLine())
	return nil
}

func versionLine() string {
	return fmt.Sprintf("trainer-hub %s (%s)", contract.Version, contract.Commit)
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parser := kong.Must(&cli{},
		kong.Name("trainer-hub"), kong.UsageOnError(),
		kong.Description("Takes uploaded trainer packages and proves that they train, predict and hide nothing."),
		kong.Vars{"version": versionLine(), "advisories": scan.AdvisoriesURL},
		kong.BindTo(ctx, (*context.Context)(nil)))
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	parser.FatalIfErrorf(err)
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "trainer-hub:", err)
		return 1
	}
	return 0
}
