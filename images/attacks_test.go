package images

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The attacks of testdata/attacks in the image as it is built, confined as the pod of
// deploy/k8s/base: its secrets are a volume, a cache is shared, and health checks run.
func TestAttacksInAContainerLikeThePods(t *testing.T) {
	if confine.ABI() == 0 {
		need.Missing(t, "a kernel with Landlock")
	}
	attacks := filepath.Join(images(t).root, "testdata", "attacks")
	c := newContainer(t, baseImage, "python3", "/attacks/run.py").bind(attacks, "/attacks", "ro").
		bind(secretVolume(t, map[string]string{"callback-token": token, "secret-key": "key"}), "/var/run/secrets/trainer", "ro").
		bind(secretVolume(t, map[string]string{"token": "identity"}), "/var/run/secrets/identity", "ro").
		bind(sharedCache(t), "/cache").bind(anotherWorkspace(t), "/another").bind(unpackedProgram(t), "/var/tmp")
	c.with("CALLBACK_TOKEN", "", "CALLBACK_TOKEN_FILE", "/var/run/secrets/trainer/callback-token", "AGENT_DATASET_CACHE_DIR", "/cache",
		"CACHE_AS_THE_AGENT_KNOWS_IT", "/cache", "STATE_AS_THE_AGENT_KNOWS_IT", "/workspace/.agent",
		"DATABASE_URL", "postgres://me:word@db/x", "SOME_PASSWORD", "x", "SOME_API_KEY", "x", "HTTPS_PROXY", "http://me:word@proxy.test:3128").start()
	c.until("the agent runs", func(calls []backend.Call) bool { return len(calls) > 0 })
	neighbour := make(chan struct{})
	go func() {
		defer close(neighbour)
		// In the same network, but no child of the agent's. It ends with the container at the latest.
		if out, err := c.exec("python3", "/attacks/neighbour.py"); err != nil {
			t.Logf("the other job's process: %v\n%s", err, out)
		}
	}()
	var exit int
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		exit = c.wait()
	}()
	for over := false; !over; {
		_, _ = c.exec("trainer-agent", "health") // what its environment is, is attacked too
		select {
		case <-ended:
			over = true
		default:
		}
	}
	<-neighbour
	if exit != 0 {
		t.Fatalf("exit code %d\n%s\n%s", exit, c.stdout.String(), c.stderr.String())
	}
	files, err := filepath.Glob(filepath.Join(attacks, "a[0-9]*.py"))
	if err != nil || len(files) == 0 {
		t.Fatal("no attacks", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".py")
		if !strings.Contains(c.stdout.String(), "attack "+name+" held\n") {
			t.Errorf("%s is not held\n%s", name, c.stdout.String())
		}
	}
}

// secretVolume is a Secret as the kubelet mounts it: links through ..data, group 1000, 0440.
func secretVolume(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "..2026"), 0o755), os.Symlink("..2026", filepath.Join(dir, "..data")))
	for name, body := range files {
		path := filepath.Join(dir, "..2026", name)
		err = errors.Join(err, os.WriteFile(path, []byte(body), 0o440), os.Chown(path, 0, 1000), os.Symlink("..data/"+name, filepath.Join(dir, name)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// anotherWorkspace is that of another job of the same user.
func anotherWorkspace(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	for _, name := range []string{".agent/outbox/00000001.log", "runs/best.pt", "home/.netrc"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	giveTo1000(t, dir)
	return dir
}

// unpackedProgram is what a command of the same user runs, as it lies in /var/tmp.
func unpackedProgram(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	program := filepath.Join(dir, "trainer-agent-1000", "validate-1", "program.py")
	if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o700), os.WriteFile(program, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	giveTo1000(t, dir)
	return dir
}

func giveTo1000(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error { return errors.Join(err, os.Chown(path, 1000, 1000)) })
	if err != nil {
		t.Fatal(err)
	}
}

// sharedCache holds something of another job's.
func sharedCache(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	image := filepath.Join(dir, "another", "data", "images", "x.png")
	err := errors.Join(os.MkdirAll(filepath.Dir(image), 0o755), os.WriteFile(image, nil, 0o644), os.WriteFile(filepath.Join(dir, "another.lock"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	giveTo1000(t, dir)
	return dir
}
