package isolation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/agent/process/identity"
	"github.com/vision-platform/trainer-agent/contract"
)

// Stage finds out what the child could reach, before anything is prepared.
type Stage struct {
	Supervisor *process.Supervisor
	Job        Job
	RunAs      *process.Identity // nil = as the agent
	Helper     []string          // a command line that runs Reach on the paths behind it; nil: nothing is tried
	Required   bool              // AGENT_REQUIRE_ISOLATION
	Events     *job.Events
	Log        *slog.Logger

	off bool // the kernel refused
}

// Start tries as the child what the child must not be able to do.
func (s *Stage) Start(ctx context.Context) error {
	if s.Helper == nil && !s.Required { // another system than Linux: a desk's
		return nil
	}
	if s.Helper == nil {
		return s.judge([]string{"This system keeps the training process from nothing. Run it on Linux."})
	}
	plan, err := s.Plan()
	if err != nil {
		s.off = true
		return s.judge([]string{"The training process is not confined: " + err.Error() + "."})
	}
	open, err := s.reach(ctx, plan)
	if errors.As(err, new(unstarted)) {
		s.off = true
		s.Log.Warn("the training process cannot be confined", "error", err)
		open, err = s.reach(ctx, nil)
	}
	if err != nil {
		return s.judge([]string{"What the training process can reach could not be found out: " + err.Error() + "."})
	}
	if err := s.placed(); err != nil {
		return err
	}
	s.Log.Debug("the training process is kept apart", "landlock", s.abi(), "other_user", s.other(), "reachable", len(open))
	return s.judge(s.findings(open, plan))
}

// placed refuses a workspace that another user may put another one in the place of: an
// agent that is root would follow. With Landlock the child renames no folder above it.
func (s *Stage) placed() error {
	if !s.other() || s.abi() > 0 {
		return nil
	}
	for _, dir := range []string{s.Job.Workspace.Root, s.Job.Workspace.Private().Dir} {
		if above := identity.Above(dir, *s.RunAs); above != "" && above != s.Job.Workspace.Root {
			return contract.Failf(contract.CodeConfigInvalid, "AGENT_RUN_AS=%s can put another folder in the place of %s, because it can write to %s.", s.RunAs, dir, above).
				WithHint("Take that right away (chmod go-w %s, or chown it), or set WORKSPACE_DIR or AGENT_STATE_DIR to another folder.", above)
		}
	}
	return nil
}

// Stop has nothing to end: what is in force ends with the child.
func (s *Stage) Stop(context.Context) error { return nil }

// Plan is what the child is kept from, as the files are now; nil where the kernel
// refused it at the start.
func (s *Stage) Plan() (*confine.Plan, error) {
	if s.off {
		return nil, nil
	}
	policy := s.Job.policy()
	policy.ReadOnly = slices.Concat(policy.ReadOnly, s.settings(), s.programs())
	plan, err := policy.Plan()
	if err != nil {
		return nil, err
	}
	return &plan, nil
}

// settings are the kernel's: control groups, by which an agent can be frozen, and for a
// child that is root whatever is in /proc, its own entry included: a folder of each
// process cannot be told apart from those to come.
func (s *Stage) settings() []string {
	if s.asRoot() {
		return []string{"/sys", "/proc"}
	}
	return []string{"/sys"}
}

// asRoot reports whether the child is root, as the agent is.
func (s *Stage) asRoot() bool { return os.Geteuid() == 0 && !s.other() }

func (s *Stage) abi() int {
	if s.off {
		return 0
	}
	return confine.ABI()
}

// SharesFiles reports whether the child could change the agent's files: it is the same
// user, and no Landlock keeps it from that (one before Linux 6.2 lets it empty them).
func (s *Stage) SharesFiles() bool { return !s.other() && s.abi() < confine.WholeABI }

// other reports whether the child is another user than the agent.
func (s *Stage) other() bool { return s.RunAs != nil && int(s.RunAs.UID) != os.Geteuid() }

// reachLimit bounds the helper, which opens a few files.
const reachLimit = 10 * time.Second

// unstarted is why no process could be started under the plan. A helper that was started
// and did not end well says nothing of that: the child is confined all the same.
type unstarted struct{ error }

// reach runs the helper as the child will be run, and returns what it could open.
func (s *Stage) reach(ctx context.Context, plan *confine.Plan) ([]string, error) {
	paths := slices.Concat([]string{s.Job.Workspace.Private().LockFile()}, s.Job.secretFiles(), s.sockets())
	var out bytes.Buffer
	child, err := s.Supervisor.Start(process.Spec{
		Args: append(slices.Clone(s.Helper), paths...), Dir: "/", Stdout: &out, NoNewPrivs: true, RunAs: s.RunAs, Confine: plan,
	})
	if err != nil {
		return nil, unstarted{err}
	}
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	select {
	case <-child.Done():
	case <-ctx.Done():
		if err := child.Stop(ctx, process.Stop{Reason: process.ReasonFailure}).Err(); err != nil { // a file system that hangs
			return nil, err
		}
	}
	if status := child.Status(); !status.Success() {
		return nil, fmt.Errorf("trying to open the agent's files as the training process: %s", status)
	}
	return strings.FieldsFunc(out.String(), func(r rune) bool { return r == 0 }), nil
}

// findings says what is reachable, and the cure; files of one cure together.
func (s *Stage) findings(open []string, plan *confine.Plan) (list []string) {
	var cures []string
	files := map[string][]string{}
	sockets := s.sockets()
	for _, path := range open {
		if slices.Contains(sockets, path) {
			continue
		}
		cure := s.cure(path, plan)
		if path == s.Job.Workspace.Private().LockFile() {
			list = append(list, s.aboutState(cure)...)
			continue
		}
		if files[cure] == nil {
			cures = append(cures, cure)
		}
		files[cure] = append(files[cure], path)
	}
	for _, cure := range cures {
		list = append(list, "The training process can reach files of credentials ("+few(files[cure])+"): "+cure)
	}
	if s.Required && !s.other() && s.abi() > 0 && !confine.Signals() {
		list = append(list, "The training process can send signals to the agent: this kernel's Landlock does not keep them apart (Linux 6.12 does). Set AGENT_RUN_AS.")
	}
	list = append(list, s.aboutSockets(open)...)
	list = append(list, s.aboutDisks(openDisk("/sys/class/block", "/dev"))...)
	list = append(list, s.aboutNeighbours(plan)...)
	return append(list, s.aboutCache(plan)...)
}

// Foreseen is what Start would find by the rules alone: no process tries.
func (s *Stage) Foreseen() []string {
	plan, err := s.Plan()
	if err != nil || s.abi() == 0 || s.other() {
		return nil
	}
	var open []string
	for _, file := range s.Job.secretFiles() {
		real, err := filepath.EvalSymlinks(file)
		if err == nil && slices.ContainsFunc(plan.Open, func(c confine.Conflict) bool { return within(real, c.Path) }) {
			open = append(open, file)
		}
	}
	return s.findings(open, plan)
}

// aboutNeighbours: other jobs' workspaces in a folder of the child's stay open to it. At a
// desk they are one person's.
func (s *Stage) aboutNeighbours(plan *confine.Plan) []string {
	if !s.Required || plan == nil || s.other() {
		return nil
	}
	others := s.Job.neighbours()
	at := slices.IndexFunc(plan.Open, func(c confine.Conflict) bool { return slices.Contains(others, c.Path) })
	if at < 0 {
		return nil
	}
	return []string{"The training process can reach another job's files, because " + plan.Open[at].String() +
		", where the process makes files. Set WORKSPACE_DIR and AGENT_STATE_DIR to folders elsewhere."}
}

// aboutCache: a shared cache in a folder of the child's stays open to it, and other jobs
// take what it put there. At a desk the jobs are one person's: it is logged.
func (s *Stage) aboutCache(plan *confine.Plan) []string {
	if s.Job.Cache == "" || plan == nil || s.other() || s.SharesFiles() {
		return nil // SharesFiles: what is taken from it is checked
	}
	dir, err := filepath.Abs(s.Job.Cache)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // as the plan has it
	}
	at := slices.IndexFunc(plan.Open, func(c confine.Conflict) bool { return c.Path == dir })
	if err != nil || at < 0 {
		return nil
	}
	text := "The training process can change what other jobs take from the shared cache, because " + plan.Open[at].String() +
		", where the process makes files. Set AGENT_DATASET_CACHE_DIR to a folder elsewhere."
	if s.Required {
		return []string{text}
	}
	s.Log.Warn(text)
	return nil
}

// aboutDisks: root reads every file of a disk that it can open as a device.
func (s *Stage) aboutDisks(disk string) []string {
	if !s.Required || !s.asRoot() || disk == "" {
		return nil
	}
	return []string{"The training process is root and can read this machine's disks (" + disk + "), and with them every file. Set AGENT_RUN_AS."}
}

// openDisk is a disk with something on it that this process may read as a device, ""
// where there is none: a container has no device of the machine's disks.
func openDisk(blocks, devices string) string {
	sizes, _ := filepath.Glob(filepath.Join(blocks, "*", "size"))
	for _, path := range sizes {
		if size, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(size)) == "0" {
			continue
		}
		disk := filepath.Join(devices, strings.ReplaceAll(filepath.Base(filepath.Dir(path)), "!", "/"))
		if fd, err := unix.Open(disk, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
			_ = unix.Close(fd)
			return disk
		}
	}
	return ""
}

// aboutState: what is in the state is authenticated, so it is no reason to warn, but one
// to refuse a job that must be kept apart.
func (s *Stage) aboutState(cure string) []string {
	text := "The training process can reach the agent's own state in " + s.Job.Workspace.Private().Dir
	if s.Required {
		return []string{text + ": " + cure}
	}
	s.Log.Debug(text, "cure", cure)
	return nil
}

// few names the first paths.
func few(paths []string) string {
	const most = 3
	if len(paths) > most {
		return strings.Join(paths[:most], ", ") + fmt.Sprintf(" and %d more", len(paths)-most)
	}
	return strings.Join(paths, ", ")
}

// cure says why a path can be reached, and what to do.
func (s *Stage) cure(path string, plan *confine.Plan) string {
	if s.abi() == 0 {
		return "both are the same user, and this kernel has no Landlock (Linux 5.19 or newer, with landlock among its security modules). " +
			"Give secrets as environment variables in place of files (in Kubernetes secretKeyRef), or set AGENT_RUN_AS."
	}
	if plan != nil {
		real, err := filepath.EvalSymlinks(path) // as the plan has it
		if err != nil {
			real = path
		}
		at := slices.IndexFunc(plan.Open, func(c confine.Conflict) bool { return within(real, c.Path) })
		if at >= 0 {
			where := "the process makes files in " + plan.Open[at].Whole + ". "
			if path == s.Job.Workspace.Private().LockFile() {
				return where + "Set AGENT_STATE_DIR to a folder elsewhere."
			}
			return where + "Keep them elsewhere, or give the values as environment variables."
		}
	}
	return "its mode lets every user read it. Close it (chmod 600)."
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// judge warns, or refuses the job.
func (s *Stage) judge(findings []string) error {
	if len(findings) == 0 {
		return nil
	}
	if s.Required {
		return contract.Failf(contract.CodeConfigInvalid, "AGENT_REQUIRE_ISOLATION is set, and %s", lowerFirst(strings.Join(findings, " ")))
	}
	for _, finding := range findings {
		s.Events.Warn(finding)
	}
	s.Events.Emit(contract.EventIsolationIncomplete, "The training process is not kept apart as it should be", map[string]any{"findings": findings})
	return nil
}

func lowerFirst(text string) string { return strings.ToLower(text[:1]) + text[1:] }
