package runner

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// attempt is one of the attacks, and what it is aimed at.
type attempt struct{ name, aim string }

// ofThis makes what a package might reach of this machine, and tells the attacks on it. All of
// them get what they want where there is no isolation.
func ofThis(t *testing.T) []attempt {
	t.Helper()
	dir := t.TempDir()
	database := filepath.Join(dir, "hub.db")
	if err := os.WriteFile(database, []byte("tokens"), 0o644); err != nil {
		t.Fatal(err)
	}
	listen := func(network, address string) string {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().String()
	}
	all := []attempt{
		{"read", database}, {"write", filepath.Join(dir, "new")}, {"connect", listen("tcp", "127.0.0.1:0")}, {"socket", listen("unix", "@"+rand.Text())}, {"see processes", ""},
	}
	if said, err := attack(t, Process{}, "several", lines(all), "", Limits{}); err != nil || strings.Count(said, "got ") != len(all) {
		t.Errorf("the test proves nothing: without isolation %v %s", err, said)
	}
	return all
}

// ofAny are attacks on what every machine has.
func ofAny(t *testing.T) []attempt {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []attempt{
		{"connect", "169.254.169.254:80"}, {"connect", "[fd00:ec2::254]:80"}, {"read", "/etc/shadow"}, {"read", "/proc/1/root/etc/shadow"}, {"read", "/dev/sda"},
		{"write", "/usr/x"}, {"write", "/x"}, {"write", "/etc/passwd"}, {"write", "/dev/x"}, {"write", self}, {"write", "/proc/sys/kernel/hostname"},
		{"become root", ""}, {"namespace", ""}, {"mount", ""},
	}
}

func lines(attempts []attempt) string {
	var text strings.Builder
	for _, a := range attempts {
		text.WriteString(a.name + "\t" + a.aim + "\n")
	}
	return text.String()
}

// escapes is what of the attempts gets what it wants at a level of isolation.
func escapes(t *testing.T, r Runner, attempts []attempt, writable string) string {
	t.Helper()
	said, err := attack(t, r, "several", lines(attempts), writable, Limits{})
	if err != nil {
		t.Errorf("%v %s", err, said)
	}
	return said
}

// doomed starts another process that runs a command at a level, as a hub does; the mark is in
// the command's own line.
func doomed(t *testing.T, level string) (hub *exec.Cmd, mark string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mark = rand.Text()
	hub = exec.Command(self)
	hub.Env = append(os.Environ(), "HUB="+mark, "HUB_LEVEL="+level, "TMPDIR="+t.TempDir())
	var said bytes.Buffer
	hub.Stderr = &said
	out, err := hub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" || !running(t, mark) {
		t.Fatalf("%q %v %s", line, err, said.String())
	}
	return hub, mark
}

func kill(t *testing.T, hub *exec.Cmd) {
	t.Helper()
	if err := hub.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = hub.Wait()
}
