package kube

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// IntakeVariable has the address that a step tells the hub its end at.
const IntakeVariable = "TRAINER_HUB_PROOF"

// result is how a command ended.
type result struct {
	Exit  int              `json:",omitempty"`
	Over  *runner.Exceeded `json:",omitempty"`
	Fault string           `json:",omitempty"` // of the machine
}

// Step is the first process of a pod: it runs the command of the order that lies beside it,
// within the limits, and tells the hub what it writes, how it ends and what it leaves. What
// it says may be forged by the package, to the package's own harm. It returns its exit code.
func Step(ctx context.Context, dir, address string) int {
	// Whoever is in the pod may send signals; only the kubelet's own ends it (and, from
	// within, the kernel passes on no SIGKILL).
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGUSR2)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	err := step(ctx, dir, address)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "trainer-hub step:", err)
	if errors.Is(err, errStopped) {
		return 128 + int(syscall.SIGTERM)
	}
	return lost
}

// errStopped ends a step that was told to end. It says nothing of the command's end: the hub
// sees at the pod whether the cluster wanted it, and else it was the package's own doing.
var errStopped = errors.New("the pod was told to end")

// intakeClient reaches the hub by its address alone: an image, or a cluster, may set a proxy.
var intakeClient = &http.Client{Transport: &http.Transport{}}

func step(ctx context.Context, dir, address string) error {
	text, err := os.ReadFile(filepath.Join(dir, orderFile))
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	body, w := io.Pipe()
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, address, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	told := make(chan error, 1)
	go func() {
		defer end(errCut) // a hub that hears nothing any longer wants nothing
		answer, err := intakeClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("the hub answers %s", answer.Status)
			}
		}
		_ = body.CloseWithError(errors.Join(errCut, err)) // the command may go on writing
		told <- err
	}()
	err = o.tell(ctx, &frames{to: w})
	_ = w.CloseWithError(err) // nil ends the body as a whole
	if errors.Is(err, errStopped) {
		return err
	}
	return <-told
}

// tell runs the command and tells of it.
func (o order) tell(ctx context.Context, to *frames) error {
	if err := to.write(frameErr, nil); err != nil { // the hub hears that it begins
		return err
	}
	end := o.run(ctx, to)
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errCut) {
		return errStopped
	}
	if end.Over == nil && end.Fault == "" {
		err := o.files(to.kind(frameFiles))
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENAMETOOLONG) { // as the watch finds it while a command runs
			end, err = result{Over: runner.Closed()}, nil
		}
		if err != nil {
			return err
		}
	}
	text, err := json.Marshal(end)
	if err != nil {
		return err
	}
	if err := to.write(frameResult, text); err != nil {
		return err
	}
	return to.write(frameEnd, nil)
}

func (o order) run(ctx context.Context, to *frames) (end result) {
	first := os.Getpid() == 1
	if first { // the others in this pod are the command's
		o.bound()
	}
	c := runner.Command{Program: o.Program, Args: o.Args, Dir: o.Dir, Env: append(own(), o.Env...), Write: o.Write, Stderr: to.kind(frameErr)}
	if c.Stdout = to.kind(frameOut); o.OneStream {
		c.Stdout = c.Stderr
	}
	err := runner.Process{First: first}.Run(ctx, c, o.Limits)
	if first {
		_ = unix.Kill(-1, unix.SIGKILL) // what it left running
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch over, is := errors.AsType[*runner.Exceeded](err); {
	case is:
		end.Over = over
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
	case first && runner.KilledForMemory():
		end.Over = runner.Over("memory", o.Limits)
	case ended && exit.ExitCode() >= 0:
		end.Exit = exit.ExitCode()
	case ended: // by a signal
		end.Exit = 128
		if status, known := exit.Sys().(syscall.WaitStatus); known {
			end.Exit += int(status.Signal())
		}
	default:
		end.Fault = err.Error()
	}
	return end
}

// bound sets the kernel's limits, which hold between two looks at what the command uses.
// The pod's user is nobody else's, so its processes can be counted.
func (o order) bound() {
	for resource, limit := range map[int]int64{unix.RLIMIT_NPROC: 2 * int64(o.Limits.Processes), unix.RLIMIT_FSIZE: o.Limits.Disk} {
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err == nil && limit > 0 && uint64(limit) < now.Max {
			_ = unix.Setrlimit(resource, &unix.Rlimit{Cur: uint64(limit), Max: uint64(limit)}) // lowering is allowed
		}
	}
}

// own are the variables of the image.
func own() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, IntakeVariable+"=") || strings.HasPrefix(pair, "KUBERNETES_")
	})
}

// files writes the tar of what the command left, but for files that it has closed to itself.
// The tar is whole also where a folder cannot be looked into.
func (o order) files(to io.Writer) (err error) {
	w := tar.NewWriter(to)
	for i, folder := range o.Write {
		if err == nil {
			err = packTree(w, folder, written(i), true)
		}
	}
	return errors.Join(err, w.Close())
}
