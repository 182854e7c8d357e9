package exported

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Wrapper is a package whose own Python wrapper is run.
type Wrapper struct {
	Path    string // of the package: its folder, or a zip
	Python  string // the interpreter
	Scratch string // an empty folder in which nobody else writes: what is unpacked there is run
	Out     io.Writer
}

// Selftest runs the wrapper on the package's golden image.
func Selftest(ctx context.Context, w Wrapper) error {
	path, python := w.Path, w.Python
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	folder := path
	if !info.IsDir() {
		archive, err := openZip(path)
		if err != nil {
			return fmt.Errorf("the selftest needs a package, not a model by itself: %w", err)
		}
		defer func() { _ = archive.Close() }()
		folder = filepath.Join(w.Scratch, "package")
		if err := os.CopyFS(folder, archive); err != nil {
			return fmt.Errorf("unpacking %s: %w", path, err)
		}
	}
	script := filepath.Join(folder, "runtimes", "python", "example.py")
	if _, err := os.Stat(script); err != nil {
		return fmt.Errorf("%s has no Python wrapper (runtimes/python/example.py)", path)
	}
	run := exec.CommandContext(ctx, python, script, "--selftest", "--model", folder)
	run.Stdout, run.Stderr, run.Env = w.Out, w.Out, append(os.Environ(), "TMPDIR="+w.Scratch)
	if err := run.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("the selftest of %s ended with exit status %d", path, exit.ExitCode())
		}
		return fmt.Errorf("running the selftest with %s: %w; --python names another interpreter", python, err)
	}
	return nil
}
