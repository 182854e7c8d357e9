package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// Kubernetes runs commands as Jobs.
type Kubernetes struct {
	settings Settings
	client   *client
	intake   *intake
	program  string // this one, which is the first process of each pod
	owner    string // whose Jobs these are
	patience patience
}

// patience is how long is waited for what.
type patience struct {
	pod   time.Duration // that a pod comes, and that its container begins
	api   time.Duration // an API server that does not answer
	again time.Duration // before it is asked once more
	last  time.Duration // what a pod that has ended may still have sent
}

const (
	firstUser = 50_000 // as in runner's namespaces: no system gives such numbers to people
	users     = 9_000
)

// New checks the settings; nothing is asked yet.
func New(s Settings) (*Kubernetes, error) {
	at, err := url.Parse(s.Intake)
	if err != nil || at.Scheme != "http" || net.ParseIP(at.Hostname()) == nil || at.Port() == "" || strings.Trim(at.Path, "/") != "" {
		return nil, fmt.Errorf("the intake %q is not http://IP:PORT, the address of this hub for pods (which have no DNS): in a pod, http://$(POD_IP):7071 with POD_IP from status.podIP", s.Intake)
	}
	if _, digest, named := strings.Cut(s.Image, "@sha256:"); !named || digest == "" {
		return nil, fmt.Errorf("pods need an image by its digest, NAME@sha256:…, that their node can pull, and not %q", s.Image)
	}
	s.Intake = "http://" + at.Host
	a, err := findAccess(os.Getenv)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &Kubernetes{
		settings: s, client: &client{access: a, http: a.client(), namespace: s.Namespace}, intake: &intake{}, program: program,
		patience: patience{pod: 10 * time.Minute, api: 2 * time.Minute, again: 2 * time.Second, last: 15 * time.Second},
	}, nil
}

// Level implements runner.Runner.
func (k *Kubernetes) Level() string { return runner.LevelKubernetes }

// Start opens the intake, and removes the Jobs of a hub of the same data folder that was
// killed. stop ends it.
func (k *Kubernetes) Start(ctx context.Context, dir string) (stop func() error, err error) {
	if k.owner, err = identity(filepath.Join(dir, "proofs-owner")); err != nil {
		return nil, err
	}
	old, err := k.client.named(ctx, selector(ownerLabel, k.owner))
	for _, name := range old {
		err = errors.Join(err, k.client.remove(ctx, name))
	}
	if err != nil {
		return nil, fmt.Errorf("removing the Jobs of an earlier run: %w", err)
	}
	at, err := url.Parse(k.settings.Intake)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", ":"+at.Port())
	if err != nil {
		return nil, fmt.Errorf("listening for proofs: %w", err)
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- serveIntake(serving, listener, k.intake) }()
	return func() error { end(); return <-ended }, nil
}

// identity is a name that is kept in a file.
func identity(file string) (string, error) {
	text, err := os.ReadFile(filepath.Clean(file))
	if errors.Is(err, fs.ErrNotExist) || err == nil && strings.TrimSpace(string(text)) == "" { // it was cut while it was written
		text = []byte(strings.ToLower(rand.Text()))
		err = os.WriteFile(file, text, 0o600)
	}
	return strings.TrimSpace(string(text)), err
}

// Run implements runner.Runner.
func (k *Kubernetes) Run(ctx context.Context, c runner.Command, limits runner.Limits) (err error) {
	size, err := weight(k.program, c)
	if err != nil {
		return fmt.Errorf("looking at the files for a pod: %w", err)
	}
	t := newTransfer(k.program, c, limits)
	path, end := k.intake.open(t)
	defer end()
	name := "trainer-proof-" + strings.ToLower(rand.Text()[:16])
	ctx, cancel := context.WithTimeout(ctx, limits.Time+fetching+time.Minute)
	defer cancel()
	j := newJob(k.settings, name, k.owner, k.settings.Intake+path, firstUser+mathrand.IntN(users), size, c, limits)
	defer func() {
		patience := k.patience.api
		if ctx.Err() != nil { // the hub may be stopping
			patience = asking
		}
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if removed := k.patiently(late, func() error { return k.client.remove(late, name) }); removed != nil && err == nil {
			err = removed
		}
	}()
	if err := k.patiently(ctx, func() error { return k.client.create(ctx, j) }); err != nil {
		return err
	}
	return k.wait(ctx, name, t)
}

// patiently does something again as long as the server does not answer, or is busy.
func (k *Kubernetes) patiently(ctx context.Context, do func() error) error {
	for until := time.Now().Add(k.patience.api); ; {
		err := do()
		r, answered := errors.AsType[*refusal](err)
		busy := answered && (r.code == 429 || r.code >= 500)
		if err == nil || answered && !busy || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(k.patience.again):
		}
	}
}

// wait waits for what the step tells, or for the end of its pod.
func (k *Kubernetes) wait(ctx context.Context, name string, t *transfer) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, lostSight := make(chan sighting), make(chan error, 1)
	go func() { lostSight <- k.follow(watching, selector(jobLabel, name), seen) }()
	late := time.NewTimer(k.patience.pod)
	defer late.Stop()
	var now *pod
	for {
		select {
		case err := <-t.ended:
			return k.heard(ctx, err, t, seen)
		case s := <-seen:
			now = &s.pod
			if s.gone || now.over() {
				return k.over(ctx, s, t)
			}
			if why, hope := now.waits(); !now.began() && !hope {
				return fmt.Errorf("the pod cannot begin: %s", why)
			}
		case err := <-lostSight:
			return err
		case <-late.C:
			if now == nil || !now.began() {
				return k.never(ctx, name, now)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heard is the end that a step told. Where it was cut, the end of the pod says why.
func (k *Kubernetes) heard(ctx context.Context, err error, t *transfer, seen <-chan sighting) error {
	if !errors.Is(err, errCut) {
		return err
	}
	last := time.NewTimer(k.patience.last)
	defer last.Stop()
	for {
		select {
		case s := <-seen:
			if s.gone || s.pod.over() {
				return s.verdict(t.limits, true)
			}
		case <-last.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// over is the end of a pod; what it told last may still be on its way.
func (k *Kubernetes) over(ctx context.Context, s sighting, t *transfer) error {
	ran := false
	select {
	case <-t.started:
		ran = true
	default:
	}
	if ran {
		select {
		case err := <-t.ended:
			if !errors.Is(err, errCut) {
				return err
			}
		case <-time.After(k.patience.last):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f := s.pod.fetching(); f != nil && s.pod.Status.Reason == "" && !s.gone {
		said, err := k.client.log(ctx, s.pod.Metadata.Name, "fetch")
		if err != nil {
			said = err.Error()
		}
		return fmt.Errorf("the pod could not fetch its files (%s, %d): %s", f.Reason, f.ExitCode, said)
	}
	return s.verdict(t.limits, ran)
}

// never says why no pod has begun.
func (k *Kubernetes) never(ctx context.Context, name string, now *pod) error {
	if now != nil {
		why, _ := now.waits()
		return fmt.Errorf("no pod has begun in %s: %s", k.patience.pod, why)
	}
	said, err := k.client.events(ctx, name)
	if err != nil {
		said = []string{err.Error()}
	}
	return fmt.Errorf("no pod came in %s: %s", k.patience.pod, strings.Join(said, "; "))
}

// weight is what the files for a pod take.
func weight(program string, c runner.Command) (sum int64, err error) {
	for _, from := range append(append([]string{program}, c.Read...), c.Write...) {
		at, err := filepath.EvalSymlinks(from)
		if err != nil {
			return 0, err
		}
		err = filepath.WalkDir(at, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil {
				sum += info.Size() + 4<<10 // at most a block more, and its entry
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}
