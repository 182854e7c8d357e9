package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// limits of one call of pip: what a framework with its CUDA needs, and no more.
var limits = runner.Limits{Time: 20 * time.Minute, Disk: 24 << 30, Files: 1_000_000}

// Tools are what environments are made with.
type Tools struct {
	Python  string // interpreter that wheels are for; it has pip
	Wheels  string // folder to take wheels from; empty means pip's index
	Environ []string
	Locked  bool // the wheels were chosen before: without their lock there is no environment
}

// Environment is a Python with what a package requires, and nothing else.
type Environment struct {
	Python string // its interpreter; whoever starts it runs code of the wheels
	Wheels []Wheel
	dir    string
}

// Make makes the environment of a package below dir, which is empty. The lock is a file:
// where it is there, the same wheels are taken again; else it is written.
func (t Tools) Make(ctx context.Context, source, dir, lock string) (*Environment, []contract.Finding, error) {
	root, err := os.OpenRoot(source)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	lines, found, err := readRequirements(root)
	if err != nil || len(found) > 0 {
		return nil, found, err
	}
	wheels, found, err := t.fetch(ctx, lines, dir, lock)
	if err != nil || len(found) > 0 {
		return nil, found, err
	}
	e := &Environment{Wheels: wheels, dir: filepath.Join(dir, "venv")}
	e.Python = filepath.Join(e.dir, "bin", "python")
	err = t.install(ctx, e, dir)
	if found := tooMuch(err); len(found) > 0 {
		return nil, found, nil
	}
	return e, nil, err
}

// onlyWheels starts pip where no other program can be started. A wheel may require
// something by its address (Requires-Dist: x @ https://…); pip takes what lies there although
// --only-binary is set, and would build it, which runs its code.
const onlyWheels = `import runpy, sys
def refuse(event, _):
    if event == "subprocess.Popen":
        raise OSError("` + wouldBuild + `")
sys.addaudithook(refuse)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
`

// wouldBuild is how pip ends then.
const wouldBuild = "no program is started to fetch wheels"

// fetch has pip download wheels, chosen by the requirements or, once they were, by the
// lock. No code of theirs runs: pip reads a wheel's metadata.
func (t Tools) fetch(ctx context.Context, lines []string, dir, lock string) ([]Wheel, []contract.Finding, error) {
	wheels := filepath.Join(dir, "wheels")
	if err := os.MkdirAll(wheels, 0o755); err != nil || len(lines) == 0 {
		return nil, nil, err
	}
	args := []string{"-c", onlyWheels, "--disable-pip-version-check", "--no-input", "download", "--only-binary=:all:", "--dest", wheels}
	if t.Wheels != "" {
		args = append(args, "--no-index", "--find-links", t.Wheels)
	}
	_, err := os.Stat(lock)
	switch locked := err == nil; {
	case t.Locked && !locked:
		return nil, nil, errors.New("the lock of the wheels that the package was proven with is gone: a retry proves it again, with new ones")
	case locked:
		args = append(args, "--no-deps", "--require-hashes", "-r", lock)
	default:
		file := filepath.Join(dir, requirementsFile)
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return nil, nil, err
		}
		args = append(args, "-r", file)
	}
	if said, err := t.run(ctx, dir, append([]string{"-I"}, args...)...); err != nil {
		found, err := unresolved(said, err)
		return nil, found, err
	}
	all, err := wheelsIn(wheels)
	if err == nil {
		err = writeLock(lock, lockText(all))
	}
	return all, nil, err
}

// install makes the environment, from the wheels alone. pip runs once, while the
// environment is empty: nothing of a wheel runs.
func (t Tools) install(ctx context.Context, e *Environment, dir string) error {
	if said, err := t.run(ctx, dir, "-I", "-m", "venv", "--without-pip", e.dir); err != nil {
		return fmt.Errorf("making an environment: %w: %s", err, last(said))
	}
	if len(e.Wheels) == 0 {
		return nil
	}
	lock := filepath.Join(dir, "lock.txt")
	if err := os.WriteFile(lock, []byte(lockText(e.Wheels)), 0o600); err != nil {
		return err
	}
	said, err := t.run(ctx, dir, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--python", e.Python, "install", "--no-index", "--find-links", filepath.Join(dir, "wheels"),
		"--no-deps", "--require-hashes", "--no-compile", "--no-warn-script-location", "-r", lock)
	if err != nil {
		return fmt.Errorf("installing wheels: %w: %s", err, last(said))
	}
	return nil
}

// run runs the interpreter in dir, which is all that it should write to.
func (t Tools) run(ctx context.Context, dir string, args ...string) (string, error) {
	temp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err := runner.Process{}.Run(ctx, runner.Command{
		Program: t.Python, Args: args, Dir: dir, Env: append(t.environ(), "TMPDIR="+temp), Write: []string{dir}, Stdout: &out, Stderr: &out,
	}, limits)
	return out.String(), errors.Join(err, os.RemoveAll(temp))
}

// inherited are the variables that Python and pip get: none of the hub's secrets. All of
// pip's own come along.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}

func (t Tools) environ() (env []string) {
	for _, pair := range t.Environ {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "PIP_") || slices.Contains(inherited, strings.ToUpper(name)) {
			env = append(env, pair)
		}
	}
	return env
}

// unresolved tells an author's fault from the hub's: an index that is away is the
// hub's, and pip then says as well that it found nothing.
func unresolved(said string, err error) ([]contract.Finding, error) {
	if found := tooMuch(err); len(found) > 0 {
		return found, nil
	}
	_, ended := errors.AsType[*exec.ExitError](err)
	finding := contract.Finding{Rule: "dependencies.unresolved", Severity: contract.SeverityError, File: requirementsFile}
	switch {
	case ended && strings.Contains(said, wouldBuild):
		finding.Text, finding.Fix = "a wheel requires, by an address, what is no wheel", "require packages that need wheels only; nothing is built"
	case !ended, strings.Contains(said, "Retrying ("), strings.Contains(said, "Could not fetch URL"):
		return nil, fmt.Errorf("fetching wheels: %w: %s", err, last(said))
	case strings.Contains(said, "DO NOT MATCH THE HASHES"):
		finding.Text, finding.Fix = "a wheel has another hash than the one that is named: "+last(said), "name the hash of the wheel"
	case strings.Contains(said, "No matching distribution found"), strings.Contains(said, "ResolutionImpossible"),
		strings.Contains(said, "must have their versions pinned"), strings.Contains(said, "Hashes are required"), strings.Contains(said, "Invalid requirement"):
		finding.Text, finding.Fix = "pip finds no wheels for it: "+last(said), "require versions that are there as wheels for the hub's Python; a source distribution is not built"
	default:
		return nil, fmt.Errorf("fetching wheels: %w: %s", err, last(said))
	}
	return []contract.Finding{finding}, nil
}

// tooMuch is the finding where wheels take more than they may, packed or installed. Time
// is the hub's, and its index's.
func tooMuch(err error) []contract.Finding {
	over, exceeded := errors.AsType[*runner.Exceeded](err)
	if !exceeded || over.What == "time" {
		return nil
	}
	return []contract.Finding{{
		Rule: "limit." + over.What, Severity: contract.SeverityError, File: requirementsFile, Text: "the wheels: " + over.Error(), Fix: "require less",
	}}
}

// last is the end of what pip said.
func last(said string) string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(said, "?")), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " ")
}

// Packages is the folder of the installed packages.
func (e *Environment) Packages() (string, error) {
	found, err := fs.Glob(os.DirFS(e.dir), "lib/python*/site-packages")
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d folders of packages: %w", len(found), fs.ErrNotExist)
	}
	if err != nil {
		return "", fmt.Errorf("finding the environment's packages: %w", err)
	}
	return filepath.Join(e.dir, found[0]), nil
}
