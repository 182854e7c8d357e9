// Command trainer-agent is PID 1 in every trainer image: it carries one job from
// environment variables to a delivered done. The same binary checks
// environments, prepares and converts datasets, and delivers what an earlier run
// could not.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/reap"
	"github.com/vision-platform/trainer-agent/agent/process/signals"
	"github.com/vision-platform/trainer-agent/contract"
)

type cli struct {
	Run      RunCmd      `cmd:"" help:"Carry one job from the environment to a delivered done."`
	Prepare  PrepareCmd  `cmd:"" help:"Do everything before training; a later run reuses the work."`
	Convert  ConvertCmd  `cmd:"" help:"Convert a dataset at your desk, and see what is wrong with it."`
	Init     InitCmd     `cmd:"" help:"Write a new trainer package that trains at once."`
	Try      TryCmd      `cmd:"" help:"Run a trainer at your desk: no backend, no bucket."`
	Validate ValidateCmd `cmd:"" help:"Check a trainer package as the platform checks an upload."`
	Publish  PublishCmd  `cmd:"" help:"Send a trainer package to a hub, which proves and publishes it."`
	Install  InstallCmd  `cmd:"" help:"Get a trainer of a hub: its image and environment, or the trainer itself."`
	Verify   VerifyCmd   `cmd:"" help:"Check the signature and every byte of a trainer of a hub."`
	Inspect  InspectCmd  `cmd:"" help:"Say what an exported model or its package is, and test it."`
	Check    CheckCmd    `cmd:"" help:"Check the environment of a job and print it as a table."`
	Doctor   DoctorCmd   `cmd:"" help:"Check that this machine, the backend and the bucket can carry the job."`
	Replay   ReplayCmd   `cmd:"" help:"Deliver the callbacks that an earlier run could not."`
	Health   HealthCmd   `cmd:"" help:"Ask whether the agent of this container lives."`
	Exec     ExecCmd     `cmd:"" help:"Only supervise a command: signals, zombies, exit status; no job."`
	Env      EnvCmd      `cmd:"" help:"Print the reference of every environment variable, in Markdown, or of one."`
	Manifest ManifestCmd `cmd:"" help:"Print the job as a Kubernetes manifest."`
	Explain  ExplainCmd  `cmd:"" help:"Say what a failure code, event, exit code, variable or dataset problem means."`
	Weights  WeightsCmd  `cmd:"" help:"Keep the pretrained weights that an image brings along."`
	Version  VersionCmd  `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`

	Completion CompletionCmd `cmd:"" help:"Print the completion script of a shell."`
	Complete   CompleteCmd   `cmd:"" name:"__complete" hidden:""`
	Reach      ReachCmd      `cmd:"" name:"__reach" hidden:""`
}

const description = `One static binary between a vision-AI platform and a training script.

It is configured by environment variables: "trainer-agent env" lists them,
"trainer-agent check" checks them. Exit codes: 0 succeeded, 1 failed, 2 done
could not be delivered, 75 infrastructure (retry), 143 stopped (retry).`

// exitCode is an error that only carries a status: whatever there was to say
// has been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	_ = reap.Hide() // what the environment holds, before anything else; a job says when it cannot
	// exec is an init and nothing else, whose command inherits what an init's does.
	if len(os.Args) < 2 || os.Args[1] != "exec" {
		if err := reap.Withhold(); err != nil {
			fmt.Fprintln(os.Stderr, "trainer-agent:", err)
		}
	}
	os.Exit(run(os.Args[1:]))
}

// newParser makes the parser of the command line.
func newParser() (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("trainer-agent"), kong.Description(description),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Vars{"version": versionLine()},
	)
}

func run(args []string) int {
	if len(args) > 0 && slices.Contains([]string{"run", "prepare", "exec"}, args[0]) {
		signals.Listen() // reading the command line takes a millisecond, in which a pod may be deleted
	}
	parser, err := newParser()
	if err != nil {
		panic(err) // a wrong struct tag: a bug that every test would meet
	}
	if len(args) == 0 { // an image without a command must not look like a job that succeeded
		parser.Exit = func(int) { os.Exit(contract.ExitFailed) }
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "trainer-agent:", err)
		fmt.Fprintf(os.Stderr, "Run %q for what it takes.\n", strings.Join(append(commandOf(err), "--help"), " "))
		return contract.ExitFailed
	}
	if command, ok := ctx.Selected().Target.Interface().(fromFiles); ok {
		if err := command.loadSettings(); err != nil {
			return exitStatus(err)
		}
	}
	return exitStatus(ctx.Run())
}

// commandOf is the program with as much of a command as was understood.
func commandOf(err error) []string {
	words := []string{"trainer-agent"}
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, path := range parse.Context.Path {
			if path.Command != nil {
				words = append(words, path.Command.Name)
			}
		}
	}
	return words
}

func exitStatus(err error) int {
	if err == nil {
		return contract.ExitOK
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if _, ok := errors.AsType[process.Request](err); ok {
		fmt.Fprintln(os.Stderr, "trainer-agent:", err)
		return contract.ExitStopped
	}
	if f, ok := errors.AsType[*contract.Failure](err); ok {
		fmt.Fprintln(os.Stderr, "trainer-agent:", f.Error())
		return f.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "trainer-agent:", err)
	return contract.ExitFailed
}
