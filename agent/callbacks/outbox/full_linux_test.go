package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func init() {
	roles["full disk"] = fullDisk
	roles["no room"] = noRoom
}

// noRoom is the agent on a disk that does not even take the outbox.
func noRoom() error {
	dir := os.Getenv("OUTBOX_TEST_DIR")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		return fmt.Errorf("mounting a small disk: %w", err)
	}
	_, err := Open(filepath.Join(dir, "outbox"), options("http://backend.test"))
	failure, ok := errors.AsType[*contract.Failure](err)
	if !ok || failure.Code != contract.CodeDiskFull || failure.Hint == "" {
		return fmt.Errorf("opening on a full disk: %w, want DISK_FULL", err)
	}
	return nil
}

// fullDisk is the agent on a disk of 12 MiB, in a mount namespace of its own.
func fullDisk() error {
	dir := os.Getenv("OUTBOX_TEST_DIR")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		return fmt.Errorf("mounting a small disk: %w", err)
	}
	o, err := Open(filepath.Join(dir, "outbox"), options(os.Getenv("OUTBOX_TEST_URL")))
	if err != nil {
		return err
	}
	accepted := 0
	for ; accepted < 5; accepted++ {
		if err := o.Append(heartbeat(accepted)); err != nil {
			return fmt.Errorf("appending with room: %w", err)
		}
	}
	filler, err := fill(filepath.Join(dir, "filler"))
	if err != nil {
		return err
	}
	if err := o.Append(heartbeat(9)); !errors.Is(err, ErrFull) {
		return fmt.Errorf("a heartbeat on a full disk: %w, want ErrFull", err)
	}
	for n := 0; ; n++ { // events go on until there is really no block left
		err := o.Append(message(contract.KindEvent, map[string]any{"event_type": "e", "data": strings.Repeat("x", 4000)}))
		if err == nil && n < 1000 {
			accepted++
			continue
		}
		if !errors.Is(err, ErrFull) {
			return fmt.Errorf("event %d on a full disk: %w, want ErrFull", n, err)
		}
		break
	}
	if err := roomAgain(o, filler); err != nil {
		return err
	}
	accepted++
	if _, err := fill(filler); err != nil {
		return err
	}
	if err := o.AppendFinal(message(contract.KindDone, map[string]any{"status": "failed", "error_message": strings.Repeat("x", 500_000)})); err != nil {
		return fmt.Errorf("the final message on a full disk: %w", err)
	}
	go func() { _ = o.Run(context.Background()) }()
	if err := o.Flush(context.Background()); err != nil {
		return err
	}
	fmt.Println("accepted", accepted+1)
	return nil
}

// roomAgain frees the disk: messages are taken again.
func roomAgain(o *Outbox, filler string) error {
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := o.Append(heartbeat(10)); err != nil {
		return fmt.Errorf("a heartbeat after the disk was freed: %w", err)
	}
	return nil
}

// fill writes until the disk takes no more.
func fill(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					return "", err
				}
				break
			}
		}
	}
	return path, nil
}

func TestAFullDiskRefusesTheNewestAndStillTakesTheFinalMessage(t *testing.T) {
	b := newBackend(t, nil)
	said := onSmallDisk(t, "full disk", b.URL)
	got := b.got()
	if want := fmt.Sprintf("accepted %d\n", len(got)); said != want {
		t.Errorf("the agent says %q, the backend got %d messages", said, len(got))
	}
	if last := got[len(got)-1]; !strings.HasSuffix(last.path, "/done") || len(last.body) < 500_000 {
		t.Errorf("the last message is %s with %d bytes", last.path, len(last.body))
	}
}

func TestADiskThatIsFullAtTheStartIsNamed(t *testing.T) {
	onSmallDisk(t, "no room", "")
}

// onSmallDisk plays a role that may mount a disk, and returns what it says.
func onSmallDisk(t *testing.T, role, url string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "OUTBOX_TEST_ROLE="+role, "OUTBOX_TEST_DIR="+t.TempDir(), "OUTBOX_TEST_URL="+url)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	said, err := cmd.Output()
	switch {
	case err == nil:
		return string(said)
	case cmd.ProcessState == nil || strings.Contains(errs.String(), "mounting a small disk"):
		need.Missing(t, "a small disk of its own, by user namespaces: %v: %s", err, errs.String())
	}
	t.Fatalf("%v: %s", err, errs.String())
	return ""
}
