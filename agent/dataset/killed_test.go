package dataset

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary started with this variable is an agent that shares a cache:
// it fetches the archive, checks every file, and exits with badDataset when one
// is wrong.
const childEnv = "DATASET_TEST_CHILD"

const (
	badDataset = 3
	noDataset  = 4
)

func beAnAgent(args []string) int {
	archive, shared, own := args[0], args[1], args[2]
	fmt.Println("ready")
	d, err := Fetch(context.Background(), nil, Request{LocalPath: archive, CacheDir: shared, Dir: own, CacheMaxBytes: 3 << 20, Workers: 2})
	if err != nil {
		fmt.Println("fetching:", err)
		return noDataset
	}
	if err := checkAgainst(archive, d.Dir); err != nil {
		fmt.Println("bad dataset:", err)
		return badDataset
	}
	if err := d.Close(); err != nil {
		return noDataset
	}
	return 0
}

func checkAgainst(archive, dir string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, f := range r.File {
		b, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil {
			return err
		}
		if crc32.ChecksumIEEE(b) != f.CRC32 {
			return fmt.Errorf("%s has other content", f.Name)
		}
	}
	return nil
}

func TestAgentsKilledAtRandomNeverSeeABadDataset(t *testing.T) {
	dir := t.TempDir()
	shared := filepath.Join(dir, "cache")
	var archives []string
	for i := range 4 { // together they are larger than the cache, so they evict each other
		path := filepath.Join(dir, fmt.Sprintf("set%d.zip", i))
		f := files{}
		for j := range 150 {
			f[fmt.Sprintf("images/%d/%04d.jpg", j%5, j)] = strings.Repeat(fmt.Sprintf("%d-%d ", i, j), 2000)
		}
		if err := os.WriteFile(path, zipOf(t, f), 0o644); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, path)
	}
	t.Cleanup(func() { unseal(t, shared) })
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	killed, whole := 0, 0
	for round := range rounds {
		agents := make([]*agent, 2)
		for i := range agents {
			agents[i] = startAgent(t, archives[rand.IntN(len(archives))], shared, filepath.Join(dir, fmt.Sprintf("own%d", i)))
		}
		for _, a := range agents {
			a.killAfter(rand.N(25 * time.Millisecond))
		}
		for _, a := range agents {
			switch code, last := a.wait(); code {
			case -1:
				killed++
			case 0:
				whole++
			default:
				t.Fatalf("round %d: exit %d: %s", round, code, last)
			}
		}
	}
	t.Logf("%d agents killed, %d finished", killed, whole)
	for _, archive := range archives { // whatever they left, the next one gets it right
		d := fetch(t, nil, Request{LocalPath: archive, CacheDir: shared})
		if err := checkAgainst(archive, d.Dir); err != nil {
			t.Error(err)
		}
	}
}

// agent is a child process; out is what it says.
type agent struct {
	cmd   *exec.Cmd
	out   *bufio.Reader
	timer *time.Timer
}

func startAgent(t *testing.T, args ...string) *agent {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &agent{cmd: cmd, out: bufio.NewReader(out)}
	if line, err := a.out.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child said %q: %v", line, err)
	}
	return a
}

func (a *agent) killAfter(d time.Duration) {
	a.timer = time.AfterFunc(d, func() { _ = a.cmd.Process.Signal(syscall.SIGKILL) })
}

// wait returns the exit code, −1 for a killed one, and the last words.
func (a *agent) wait() (int, string) {
	said, _ := io.ReadAll(a.out)
	err := a.cmd.Wait()
	if a.timer != nil {
		a.timer.Stop()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(said)
	}
	if err != nil {
		return noDataset, err.Error()
	}
	return 0, string(said)
}

func TestStoppedFetchEndsAtOnceAndGoesOn(t *testing.T) {
	want := shapes()
	path := filepath.Join(t.TempDir(), "set.zip")
	if err := os.WriteFile(path, zipOf(t, want), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := t.TempDir()
	if _, err := Fetch(ctx, nil, Request{LocalPath: path, Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	d := fetch(t, nil, Request{LocalPath: path, Dir: dir})
	wantTree(t, d.Dir, want)
}
