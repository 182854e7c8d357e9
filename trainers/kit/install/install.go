package install

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
)

// Venv is the folder of the environment in an installed trainer's folder.
const Venv = ".venv"

// Here installs a release into a folder that is not there yet: the package, and beside it
// an environment of the wheels that it was proven with. After an error there is no folder.
func Here(ctx context.Context, hub Hub, release contract.Release, key ed25519.PublicKey, python, dir string) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s is there already: remove it, or name another folder with --dir", dir)
	}
	if err := fits(ctx, release, python); err != nil {
		return err
	}
	if err := Signed(ctx, hub, release, key); err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".trainer-install-*")
	if err != nil {
		return fmt.Errorf("making a folder for the trainer: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := fetch(ctx, hub, release, temp); err != nil {
		return err
	}
	source, found, err := archive.Unpack(filepath.Join(temp, "package.zip"), filepath.Join(temp, "unpacked"), archive.Default)
	if err == nil && len(found) > 0 {
		err = errors.New(found[0].Text)
	}
	if err != nil {
		return fmt.Errorf("unpacking the package: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(source, Venv)); err == nil { // its files would be the environment's, and run when it is made
		return fmt.Errorf("the package has a %s of its own, where its environment is made: its author has to leave it out", Venv)
	}
	if err := meets(source, python); err != nil {
		return err
	}
	if err := os.Rename(source, dir); err != nil {
		return fmt.Errorf("putting the package in its place: %w", err)
	}
	if err := environment(ctx, python, temp, filepath.Join(dir, Venv)); err != nil { // a venv knows its own path: it is made where it stays
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// fits checks that this machine's Python is the one that the release was proven with.
func fits(ctx context.Context, release contract.Release, python string) error {
	const question = "import sys, platform; print('%d.%d' % sys.version_info[:2], sys.platform + '/' + {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()))"
	out, err := exec.CommandContext(ctx, python, "-I", "-c", question).Output()
	if err != nil {
		return fmt.Errorf("asking %s for its version: %w", python, err)
	}
	if has, wants := strings.TrimSpace(string(out)), release.Python+" "+release.Platform; has != wants {
		return fmt.Errorf("%s %s requires Python %s, and %s is Python %s: set --python", release.Name, release.Version, wants, python, has)
	}
	return nil
}

// meets checks what the package itself requires, which is signed. Its device is a matter of
// the job, which may run elsewhere.
func meets(source, python string) error {
	requires, err := kit.Requires(source)
	if err != nil {
		return err
	}
	requires.Device = ""
	for _, unmet := range requires.Unmet(contract.Place{Agent: contract.Version, Python: kit.PythonVersion(python)}) {
		if unmet.Has != "" {
			return errors.New(unmet.String())
		}
	}
	return nil
}

// fetch writes the files of the bundle, each checked, below a folder.
func fetch(ctx context.Context, hub Hub, release contract.Release, dir string) error {
	m, err := readManifest(ctx, hub, release.Name, release.Bundle)
	if err != nil {
		return err
	}
	wheels := filepath.Join(dir, "wheels")
	if err := os.Mkdir(wheels, 0o755); err != nil {
		return err
	}
	for _, b := range m.Layers {
		title := b.Annotations[contract.AnnotationTitle]
		if title == "" || filepath.Base(title) != title || title[0] == '.' {
			return fmt.Errorf("%q is no name of a file", title)
		}
		to := filepath.Join(dir, title)
		if b.MediaType == contract.MediaWheel {
			to = filepath.Join(wheels, title)
		}
		if err := fetchFile(ctx, hub, release.Name, b, to); err != nil {
			return err
		}
	}
	return nil
}

func fetchFile(ctx context.Context, hub Hub, name string, b blob, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copyBlob(ctx, hub, name, b, file), file.Close())
}

// environment makes a virtual environment of the wheels. pip runs once, while it is empty,
// so that nothing of a wheel runs.
func environment(ctx context.Context, python, from, venv string) error {
	if err := run(ctx, python, "-I", "-m", "venv", "--without-pip", venv); err != nil {
		return err
	}
	lock := filepath.Join(from, "requirements.lock")
	if info, err := os.Stat(lock); err != nil || info.Size() == 0 {
		return err
	}
	return run(ctx, python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--python", filepath.Join(venv, "bin", "python"),
		"install", "--quiet", "--no-index", "--find-links", filepath.Join(from, "wheels"), "--no-deps", "--require-hashes", "--no-warn-script-location", "-r", lock)
}

func run(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args[:3], " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
