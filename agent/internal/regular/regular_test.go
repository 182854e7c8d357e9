package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWhatIsNoFileIsRefusedAndHoldsNobody(t *testing.T) {
	t.Chdir(t.TempDir()) // the address of a socket is short
	if err := os.WriteFile("secret", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	if err := errors.Join(syscall.Mkfifo("pipe", 0o600), os.Symlink("secret", "link"), os.Symlink("nowhere", "dangling"), os.Mkdir("folder", 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "link", "dangling", "folder", "socket"} {
		if b, err := Read(name, 10); !errors.Is(err, ErrNot) || len(b) > 0 {
			t.Errorf("reading a %s: %q, %v", name, b, err)
		}
		if f, err := OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); !errors.Is(err, ErrNot) {
			t.Errorf("writing to a %s: %v, %v", name, f, err)
		}
	}
}

func TestAFileIsReadAndWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := Read(path, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	f, err := OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("0123456789"); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	if b, err := Read(path, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(path, 9); err == nil || !strings.Contains(err.Error(), "over 9 bytes") {
		t.Error(err)
	}
}
