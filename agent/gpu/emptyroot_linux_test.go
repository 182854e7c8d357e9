package gpu

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
)

// A scratch image holds the static agent and nothing else: the probe, which
// needs glibc, can't start there, and that is one reason and no retry.
func TestEmptyRoot(t *testing.T) {
	probe := fake.Probe(t)
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("chroot needs root")
		}
		t.Skip("SKIPPED: chroot needs root")
	}
	root := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(root, "agent"), "./testdata/emptyroot")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the static agent: %v\n%s", err, out)
	}
	copyFile(t, probe, filepath.Join(root, "trainer-gpu"))
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(filepath.Join(root, "dev/null"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ probe, says string }{
		"no glibc": {"/trainer-gpu", "the probe can't be started (there is no glibc in this image): fork/exec /trainer-gpu: no such file or directory"},
		"no probe": {"/not-there", "the probe can't be started: fork/exec /not-there: no such file or directory"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/agent", tc.probe)
			cmd.Env = []string{}
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			cmd.Dir = "/"
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tc.says) {
				t.Errorf("%v: %s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}
