package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/kube"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// isolation is where a package's code runs.
type isolation struct {
	Isolation      string `env:"TRAINER_HUB_ISOLATION" enum:"namespaces,container,kubernetes,process" default:"namespaces" help:"How a package's code is kept from this machine: namespaces (bubblewrap), container (podman or docker), kubernetes (a Job for each run), or process for not at all."`
	Namespace      string `name:"proofs-namespace" env:"TRAINER_HUB_PROOFS_NAMESPACE" default:"trainer-hub-proofs" help:"Of the Jobs of --isolation kubernetes."`
	Intake         string `name:"proofs-intake" env:"TRAINER_HUB_PROOFS_INTAKE" placeholder:"URL" help:"http://IP:PORT by which the pods reach this hub, which listens on that port; for --isolation kubernetes."`
	RuntimeClass   string `name:"proofs-runtime-class" env:"TRAINER_HUB_PROOFS_RUNTIME_CLASS" placeholder:"NAME" help:"Of the pods, such as gvisor; for --isolation kubernetes."`
	UserNamespaces bool   `name:"proofs-user-namespaces" env:"TRAINER_HUB_PROOFS_USER_NAMESPACES" help:"Give each pod users of its own (hostUsers: false), where the cluster's nodes can."`
}

// level is a runner that was opened.
type level struct {
	runner.Runner
	says  string // beside its name
	image bool   // it has a Python of its own
	start func(ctx context.Context, dataDir string) (func() error, error)
	close func() error
}

func nothing() error { return nil }

// open tries the level. base is the image that trainers stand on, "" where there is none.
func (i isolation) open(ctx context.Context, base string) (l level, err error) {
	l = level{close: nothing, start: func(context.Context, string) (func() error, error) { return nothing, nil }}
	switch i.Isolation {
	case runner.LevelProcess:
		l.Runner = runner.Process{}
	case runner.LevelContainer:
		var c *runner.Container
		if c, err = runner.NewContainer(ctx, base); err == nil {
			l.Runner, l.close, l.says = c, c.Close, c.Engine()+", with this machine's programs"
		}
		if base != "" && err == nil {
			l.image, l.says = true, c.Engine()+", in "+base
		}
	case runner.LevelKubernetes:
		if base == "" {
			return l, errors.New("--isolation kubernetes needs --base NAME@sha256:…, the image that packages are proven in")
		}
		var k *kube.Kubernetes
		k, err = kube.New(kube.Settings{Namespace: i.Namespace, Image: base, RuntimeClass: i.RuntimeClass, UserNamespaces: i.UserNamespaces, Intake: i.Intake})
		if err == nil {
			l.Runner, l.start, l.image, l.says = k, k.Start, true, "Jobs in "+i.Namespace+", in "+base
		}
	default:
		var n *runner.Namespaces
		if n, err = runner.NewNamespaces(ctx); err == nil {
			l.Runner, l.close = n, n.Close
		}
	}
	if err != nil {
		other := ""
		if i.Isolation == runner.LevelNamespaces {
			other = "--isolation container takes podman or docker; "
		}
		return l, fmt.Errorf("isolating packages: %w. %s--isolation process runs their code like any program of yours: only for packages that you trust", err, other)
	}
	return l, nil
}

// closed refuses a data folder that packages could read: it has the hub's keys.
func (l level) closed(ctx context.Context, proof hub.Proof, dataDir string) error {
	if l.Level() == runner.LevelProcess || l.image {
		return nil
	}
	folder, err := runner.Exposed(ctx, proof.Build.Python, proof.Environ, dataDir)
	if err == nil && folder != "" {
		err = fmt.Errorf("packages can read the data folder %s, for Python needs %s: set --data-dir to a folder elsewhere", dataDir, folder)
	}
	return err
}

// stepCmd is the first process of a pod.
type stepCmd struct {
	Dir string `arg:"" help:"Folder with the order."`
}

// Run runs the command of the order.
func (c stepCmd) Run(ctx context.Context) error { //nolint:unparam // kong wants it
	if code := kube.Step(ctx, c.Dir, os.Getenv(kube.IntakeVariable)); code != 0 {
		os.Exit(code)
	}
	return nil
}
