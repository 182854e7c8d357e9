package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/vision-platform/trainer-agent/agent"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/output"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Verbosity says how much the agent tells of a job.
type Verbosity struct {
	Quiet   bool `short:"q" xor:"verbosity" help:"Print only problems, and how the job ended."`
	Verbose bool `short:"v" xor:"verbosity" help:"Print everything, as with AGENT_LOG_LEVEL=debug."`
}

// jobOptions registers for signals before anything else, then reads the
// environment.
func (v Verbosity) jobOptions(command []string) (agent.Options, func(), error) {
	supervisor, err := process.NewSupervisor(process.Options{})
	if err != nil {
		return agent.Options{}, nil, err
	}
	cfg, problems := config.Load()
	display := v.display(cfg)
	log := display.log
	crew.Go(func() { heed(supervisor, cfg.StopGrace, display) })
	done := func() {
		if err := supervisor.Close(); err != nil {
			log.Warn("closing", "error", err)
		}
		display.close()
	}
	return agent.Options{
		Config: cfg, Problems: problems, Command: command, Supervisor: supervisor, Environ: os.Environ(),
		Stdout: display.stdout, Terminal: term.IsTerminal(int(os.Stdout.Fd())), Log: log, Now: time.Now, Termination: telemetry.TerminationLog,
		Screen: display.screen, Quiet: v.Quiet,
	}, done, nil
}

// display is where a person or a log collector reads of the job.
type display struct {
	log    *slog.Logger
	screen *ui.Screen // nil without a terminal
	queue  *output.Queue
	stdout io.Writer // of the training
}

// display takes the terminal, if standard error is one and AGENT_LOG_FORMAT asks
// for nothing that a machine reads.
func (v Verbosity) display(cfg *config.Config) display {
	o := telemetry.LogOptions{
		Level: cfg.LogLevel, Secrets: cfg.Secrets(), JobID: cfg.JobID, TraceID: cfg.TraceID, Quiet: v.Quiet, Verbose: v.Verbose,
	}
	color := ui.Color(os.Stderr, os.Getenv)
	if !collected(cfg.LogFormat, os.Stderr) {
		o.Handler = lines(color, v.Verbose)
	}
	if o.Handler == nil || !ui.IsTerminal(os.Stderr, os.Getenv) {
		if ui.SameFile(os.Stdout, os.Stderr) {
			both := ui.NewShared(os.Stderr)
			return display{log: telemetry.NewLogger(both.Log(), o), stdout: both.Output()}
		}
		return display{log: telemetry.NewLogger(os.Stderr, o), stdout: os.Stdout}
	}
	// A terminal that was halted with Ctrl-S must not halt the job.
	d := display{queue: output.NewQueue(os.Stderr, output.DefaultQueue), stdout: os.Stdout}
	d.screen = ui.New(ui.Options{Out: d.queue, Size: ui.Columns(os.Stderr), Color: color, NoRows: piped(os.Stdout)})
	d.log = telemetry.NewLogger(d.screen, o)
	return d
}

// collected reports whether a log collector reads the lines and wants JSON: it does so
// of a container's first process. Whoever pipes to less or tee is a person.
func collected(format string, f *os.File) bool {
	if format != "" {
		return format == "json"
	}
	return os.Getpid() == 1 && !term.IsTerminal(int(f.Fd()))
}

// lines makes log lines as a person reads them.
func lines(color, details bool) func(io.Writer, slog.Leveler) slog.Handler {
	return func(w io.Writer, level slog.Leveler) slog.Handler {
		return ui.NewHandler(w, ui.HandlerOptions{Level: level, Color: color, Details: details})
	}
}

// piped reports whether a file leads to another program: tee, for one, writes what
// it reads to the same terminal, whenever it likes.
func piped(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}

// close leaves the terminal as it was found.
func (d display) close() {
	if d.screen == nil {
		return
	}
	d.screen.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = d.queue.Close(ctx)
}

// heed answers requests to stop: a person is told what the next one does, and the
// third ends the agent at once, because whoever sends it no longer waits for
// checkpoints. What was accepted is on disk.
func heed(s *process.Supervisor, grace time.Duration, d display) {
	for request := range s.Requests() {
		switch {
		case request.Count >= 3:
			d.close()
			_ = s.Close()
			os.Exit(contract.ExitStopped)
		case request.Signal != syscall.SIGINT || d.screen == nil:
		case request.Count == 1:
			d.log.Warn("Ctrl-C: stopping within " + grace.String() + ", time to save what there is. Press it again for " + process.DefaultHurry.String() + ".")
		default:
			d.log.Warn("Ctrl-C again: the script has " + process.DefaultHurry.String() + " left. A third one ends everything at once.")
		}
	}
}
