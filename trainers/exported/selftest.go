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

// Selftest runs the package's own Python wrapper on its golden image. What it prints goes to out.
func Selftest(ctx context.Context, path, python string, out io.Writer) error {
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
		if folder, err = os.MkdirTemp("", "package-*"); err != nil {
			return fmt.Errorf("making a folder for the selftest: %w", err)
		}
		defer func() { _ = os.RemoveAll(folder) }()
		if err := os.CopyFS(folder, archive); err != nil {
			return fmt.Errorf("unpacking %s: %w", path, err)
		}
	}
	script := filepath.Join(folder, "runtimes", "python", "example.py")
	if _, err := os.Stat(script); err != nil {
		return fmt.Errorf("%s has no Python wrapper (runtimes/python/example.py)", path)
	}
	run := exec.CommandContext(ctx, python, script, "--selftest", "--model", folder)
	run.Stdout, run.Stderr = out, out
	if err := run.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("the selftest of %s ended with exit status %d", path, exit.ExitCode())
		}
		return fmt.Errorf("running the selftest with %s: %w; --python names another interpreter", python, err)
	}
	return nil
}
