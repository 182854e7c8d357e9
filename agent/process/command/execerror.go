package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
)

// ExecError says why a command could not be started.
type ExecError struct {
	Command string
	Status  int // contract.ExitNotFound (127) or contract.ExitCannotRun (126), as shells have it
	Err     error
}

func (e *ExecError) Error() string { return e.Err.Error() }

// Unwrap returns the system's error.
func (e *ExecError) Unwrap() error { return e.Err }

// Command is what is to be run, as far as its errors need to know.
type Command struct {
	Args  []string // Args[0] is looked up in the PATH of Env
	Env   []string
	Dir   string
	RunAs string // whom it shall run as, "" = as the agent
}

// LookPath finds Args[0] as execvp does: a name with a slash as it is, relative
// to Dir; any other in the PATH that the child will have.
func (c Command) LookPath() (string, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return "", cannot("", contract.ExitNotFound, fs.ErrNotExist, "There is no command to run",
			"Give the training command after the agent's own arguments, for example: trainer-agent run -- python train.py")
	}
	name := c.Args[0]
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
			return "", cannot(name, contract.ExitCannotRun, errors.Join(err, syscall.ENOTDIR),
				"Can't run "+quote(name)+": its working directory "+quote(c.Dir)+" is not there",
				"Create the folder in the image or start the command elsewhere.")
		}
	}
	if strings.Contains(name, "/") {
		return name, nil // the kernel judges it better than a stat would
	}
	searched := pathOf(c.Env)
	denied := ""
	for _, dir := range filepath.SplitList(searched) {
		file := filepath.Join(dir, name)
		info, err := os.Stat(inDir(c.Dir, file))
		if err != nil || info.IsDir() {
			continue
		}
		if info.Mode()&0o111 != 0 {
			return absolute(dir, file), nil
		}
		denied = file
	}
	if denied != "" {
		return "", cannot(name, contract.ExitCannotRun, fs.ErrPermission,
			"Can't run "+quote(name)+": "+denied+" is not executable", "Run chmod +x on it when building the image.")
	}
	return "", cannot(name, contract.ExitNotFound, fs.ErrNotExist,
		"Can't run "+quote(name)+": there is no such command in PATH ("+searched+")",
		"Check the spelling, or install it in the image.")
}

// Failure explains what fork or exec answered.
func (c Command) Failure(path string, err error) error {
	name, file := c.Args[0], inDir(c.Dir, path)
	_, statErr := os.Stat(file)
	switch {
	case c.RunAs != "" && errors.Is(err, syscall.EPERM):
		return cannot(name, contract.ExitCannotRun, err,
			"Can't run "+quote(name)+" as "+c.RunAs+": the agent may not change its user",
			"Start the agent as root (or with CAP_SETUID and CAP_SETGID), or unset AGENT_RUN_AS.")
	case errors.Is(err, syscall.ENOENT) && statErr != nil:
		return cannot(name, contract.ExitNotFound, err,
			"Can't run "+quote(name)+": there is no such file", "Check the path of the command in the image.")
	case errors.Is(err, syscall.ENOENT):
		return cannot(name, contract.ExitCannotRun, err,
			"Can't run "+quote(name)+": the interpreter it names ("+interpreter(file)+") is not there",
			"Install the interpreter in the image or correct the first line of the file.")
	case errors.Is(err, syscall.EACCES):
		return cannot(name, contract.ExitCannotRun, err,
			"Can't run "+quote(name)+": permission denied",
			"It must be a file with the executable bit (chmod +x), on a volume without noexec, readable for the user it runs as.")
	case errors.Is(err, syscall.ENOEXEC):
		return cannot(name, contract.ExitCannotRun, err,
			"Can't run "+quote(name)+": it is neither a program for this CPU nor a script with a #! line",
			"Check the image's architecture, or add a first line such as #!/usr/bin/env python3.")
	case errors.Is(err, syscall.E2BIG):
		return cannot(name, contract.ExitCannotRun, err,
			"Can't run "+quote(name)+": its arguments and environment are too long",
			"Pass long lists (such as CUSTOM splits) by file.")
	}
	return cannot(name, contract.ExitCannotRun, err, "Can't run "+quote(name)+": "+err.Error(), "")
}

func cannot(name string, status int, err error, message, hint string) error {
	cause := &ExecError{Command: name, Status: status, Err: err}
	failure := contract.Failf(contract.CodeTrainingFailed, "%s: %w", message, cause)
	failure.Message = message + "."
	return failure.WithHint("%s", hint)
}

// interpreter is what the file's #! line names, or the dynamic loader.
func interpreter(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close() //nolint:errcheck // read only
	head := make([]byte, 256)
	n, _ := f.Read(head)
	line, ok := strings.CutPrefix(string(head[:n]), "#!")
	if !ok {
		return "its dynamic loader"
	}
	line, _, _ = strings.Cut(line, "\n")
	return strings.TrimSpace(line)
}

func pathOf(env []string) string {
	path := ""
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value // the last one wins, as in os/exec
		}
	}
	return path
}

func inDir(dir, file string) string {
	if dir == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// absolute keeps "./name" for a relative PATH entry: execve resolves it in Dir.
func absolute(dir, file string) string {
	if filepath.IsAbs(dir) {
		return file
	}
	return "./" + file
}

func quote(s string) string { return `"` + s + `"` }
