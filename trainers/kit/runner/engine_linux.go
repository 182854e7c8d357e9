package runner

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	podman = "podman"
	docker = "docker"
	// replying bounds a question to an engine, pulling the fetch of an image.
	replying = time.Minute
	pulling  = 20 * time.Minute
	// systemImage is what a container has where it has this machine's own programs.
	systemImage = "localhost/trainer-isolation"
)

// engine is podman or docker, by its program.
type engine struct{ name string }

// ask runs the engine and returns what it prints; the error has what it complains of.
func (e engine) ask(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.name, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &said, time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", e.name, args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// fetch has an image brought here: one of a registry, or the folder of an OCI layout. It
// returns the name to run it by.
func (e engine) fetch(ctx context.Context, image string) (string, error) {
	from := image
	if info, err := os.Stat(image); err == nil && info.IsDir() {
		if e.name == docker {
			return "", fmt.Errorf("docker cannot run the folder of an OCI layout (%s): install podman, or name the image by its digest in a registry", image)
		}
		from = "oci:" + image
	} else if _, err := e.ask(ctx, replying, "image", "inspect", image); err == nil {
		return image, nil
	}
	id, err := e.ask(ctx, pulling, "pull", "--quiet", from)
	if err != nil || from != image {
		return id, err
	}
	return image, nil
}

// volumes are folders that an image has written to somewhere on the disk without a limit.
func (e engine) volumes(ctx context.Context, image string) error {
	found, err := e.ask(ctx, replying, "image", "inspect", "--format", "{{json .Config.Volumes}}", image)
	if err == nil && found != "null" && found != "{}" {
		err = fmt.Errorf("the image %s declares volumes, %s, which would be written to without a limit: take an image without VOLUME", image, found)
	}
	return err
}

// system makes the image of this machine's own programs: the links among the system folders,
// and places for the folders to be mounted at. It has no program in it.
func (e engine) system(ctx context.Context, dir string) (string, error) {
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	folders := []string{"/proc", "/sys", "/dev", "/tmp", "/run", "/etc"}
	for _, path := range systemFolders {
		target, err := os.Readlink(path)
		switch info, statErr := os.Stat(path); {
		case err == nil:
			err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: path[1:], Linkname: target, Mode: 0o777})
		case statErr != nil: // not on this machine
			err = nil
		case info.IsDir():
			folders, err = append(folders, path), nil
		default:
			err = nil // a file: the engine makes the place
		}
		if err != nil {
			return "", err
		}
	}
	for _, path := range folders {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path[1:] + "/", Mode: 0o755}); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(text.Bytes())
	image := systemImage + ":" + hex.EncodeToString(sum[:6])
	if _, err := e.ask(ctx, replying, "image", "inspect", image); err == nil {
		return image, nil
	}
	file := filepath.Join(dir, "system.tar")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return "", err
	}
	_, err := e.ask(ctx, replying, "import", file, image)
	return image, errors.Join(err, os.Remove(file))
}

// state is how a container is, or ended.
type state struct {
	id      string
	pid     string // of its first process, on this machine; "0" where there is none
	oom     bool
	started bool
}

func (e engine) state(ctx context.Context, container string) (s state, err error) {
	said, err := e.ask(ctx, replying, "container", "inspect", "--format", "{{.Id}} {{.State.Pid}} {{.State.OOMKilled}} {{.State.StartedAt}}", container)
	fields := strings.Fields(said)
	if err == nil && len(fields) < 4 {
		err = fmt.Errorf("%s container inspect: %q is not expected", e.name, said)
	}
	if err != nil {
		return s, err
	}
	return state{fields[0], fields[1], fields[2] == "true", !strings.HasPrefix(fields[3], "0001-")}, nil
}

// remove ends a container and what runs in it.
func (e engine) remove(ctx context.Context, container string) error {
	args := []string{"rm", "--force", "--volumes"}
	if e.name == podman {
		args = append(args, "--time", "0") // else it asks politely first
	}
	_, err := e.ask(context.WithoutCancel(ctx), replying, append(args, container)...)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such container") {
		return nil
	}
	return err
}
