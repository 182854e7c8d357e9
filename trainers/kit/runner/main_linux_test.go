package runner

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is the misbehaving command: ATTACK names what it tries, and it ends
// with 0 when it got what it wanted.
func TestMain(m *testing.M) {
	if os.Getenv("HUB") != "" { // runs an attack, and is killed meanwhile
		var r Runner
		var err error
		if os.Getenv("HUB_LEVEL") == LevelContainer {
			r, err = NewContainer(context.Background(), "")
		} else {
			r, err = NewNamespaces(context.Background())
		}
		if err == nil {
			err = r.Run(context.Background(), Command{Program: "/bin/sh", Args: []string{"-c", "echo ready; sleep 3600; : " + os.Getenv("HUB")}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Stdout: os.Stdout}, Limits{})
		}
		fmt.Println(err)
		os.Exit(1)
	}
	if name := os.Getenv("ATTACK"); name != "" {
		if name == "several" {
			several(os.Getenv("AIM"))
		} else if err := attacks[name](os.Getenv("AIM")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// several tries attacks one after the other, and prints which of them got what they wanted.
func several(lines string) {
	for line := range strings.Lines(lines) {
		name, aim, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if attacks[name](aim) == nil {
			fmt.Println("got", name, aim)
		}
	}
}

var attacks = map[string]func(aim string) error{
	"read":  func(aim string) error { _, err := os.ReadFile(aim); return err },
	"write": func(aim string) error { return os.WriteFile(aim, []byte("x"), 0o600) },
	"connect": func(aim string) error {
		conn, err := net.DialTimeout("tcp", aim, 2*time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	},
	"socket": func(aim string) error { _, err := net.Dial("unix", aim); return err },
	"see processes": func(string) error {
		found, err := filepath.Glob("/proc/[0-9]*")
		if len(found) < 6 && err == nil {
			return fmt.Errorf("only %v", found)
		}
		return err
	},
	"become root": func(string) error { return syscall.Setuid(0) },
	"namespace": func(string) error {
		cmd := exec.Command("/bin/true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
		return cmd.Run()
	},
	"mount": func(string) error { return syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, "") },
	"huge file": func(aim string) error {
		file, err := os.Create(filepath.Join(aim, "huge"))
		if err != nil {
			return err
		}
		return file.Truncate(100 << 30)
	},
	"many large files": func(aim string) error {
		block := make([]byte, 8<<20)
		for i := 0; ; i++ {
			if err := os.WriteFile(filepath.Join(aim, fmt.Sprint(i)), block, 0o600); err != nil {
				return err
			}
		}
	},
	"many files": func(aim string) error {
		for i := 0; ; i++ {
			if err := os.WriteFile(filepath.Join(aim, fmt.Sprint(i)), nil, 0o600); err != nil {
				return err
			}
		}
	},
	"memory": func(string) error {
		var all [][]byte
		for {
			block := make([]byte, 16<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			all = append(all, block)
			_ = all
		}
	},
	"fork bomb": func(string) error {
		return syscall.Exec("/bin/sh", []string{"sh", "-c", "b() { b | b & b; }; b; wait"}, []string{"PATH=/usr/bin:/bin"})
	},
	"loop": func(string) error {
		for {
			time.Sleep(time.Hour) // until it is ended
		}
	},
	"leave a daemon": func(aim string) error {
		cmd := exec.Command("/bin/sh", "-c", "trap '' TERM HUP; sleep 3600", aim)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return cmd.Start()
	},
}
