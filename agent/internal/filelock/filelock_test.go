package filelock_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
)

// The test binary is the other process too: it takes a lock, says so and waits.
func TestMain(m *testing.M) {
	if path := os.Getenv("FILELOCK_TEST_HOLD"); path != "" {
		_, err := filelock.Try(path)
		fmt.Println("held", err)
		_, _ = bufio.NewReader(os.Stdin).ReadString('x')
		return
	}
	os.Exit(m.Run())
}

func take(t *testing.T, path string, how func(string) (*filelock.Lock, error)) *filelock.Lock {
	t.Helper()
	l, err := how(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Unlock() })
	return l
}

func TestOneHoldsOrManyShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	alone := take(t, path, filelock.Try)
	for _, how := range []func(string) (*filelock.Lock, error){filelock.Try, filelock.TryShared} {
		if _, err := how(path); !errors.Is(err, filelock.ErrHeld) {
			t.Errorf("while one holds it: %v", err)
		}
	}
	if err := alone.Unlock(); err != nil {
		t.Fatal(err)
	}
	first := take(t, path, filelock.TryShared)
	second := take(t, path, filelock.TryShared)
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("while two share it: %v", err)
	}
	_, _ = first.Unlock(), second.Unlock()
	take(t, path, filelock.Try)
}

func TestALockEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "FILELOCK_TEST_HOLD="+path)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held <nil>\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("another process has it: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	take(t, path, filelock.Try)
}

func TestAFolderIsLockedWhileItIsThere(t *testing.T) {
	dir := t.TempDir()
	take(t, dir, filelock.TryDir)
	if _, err := filelock.TryDir(dir); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("%v", err)
	}
	if _, err := filelock.TryDir(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestTheFileSaysWhenItWasUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := take(t, path, filelock.Try).Touch(at); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || !fi.ModTime().Equal(at) {
		t.Errorf("%v, %v", fi, err)
	}
}

func TestNoLockIsNothingToGiveUp(t *testing.T) {
	var none *filelock.Lock
	if err := none.Unlock(); err != nil {
		t.Error(err)
	}
}
