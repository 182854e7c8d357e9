// Package docs_test runs what the pages say: whoever copies a block must see what
// stands below it.
package docs_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trainer-docs-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := need.Build(dir+"/", "./cmd/trainer-agent", "./cmd/trainer-sandbox"); err != nil {
		panic(err)
	}
	programs = dir
	return m.Run()
}

// ports are two free ones, in place of the sandbox's own: another sandbox may run here.
func ports(t *testing.T) (env, replace []string) {
	t.Helper()
	var addresses []string
	for range 2 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
	}
	return []string{"SANDBOX_S3_ADDR=" + addresses[0], "SANDBOX_BACKEND_ADDR=" + addresses[1]},
		[]string{"127.0.0.1:9000", addresses[0], "127.0.0.1:8000", addresses[1]}
}

func TestYourFirstJob(t *testing.T) {
	need.Program(t, "curl", "apt-get install curl")
	env, replace := ports(t)
	shell(t, t.TempDir(), environment(t, env...), blocks(t, "first-job.md", ""), replace...)
}

// The demo that needs no framework is a whole job: it says so itself, or fails.
func TestDemoWithoutAFramework(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "trainer-sandbox"), "demo", "--framework", "plain",
		"--gpu-probe", filepath.Join(programs, "trainer-agent"), "--python", need.Python(t), "--root", need.Repository(), "--data-dir", t.TempDir())
	cmd.Env = environment(t)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "All of it happened") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestSandboxPage(t *testing.T) {
	need.Program(t, "curl", "apt-get install curl")
	env, replace := ports(t)
	shell(t, t.TempDir(), environment(t, env...), blocks(t, "sandbox.md", ""), replace...)
}

func TestReadmeTrainer(t *testing.T) {
	page, dir := blocks(t, filepath.Join("..", "README.md"), "## Write a trainer"), t.TempDir()
	for _, b := range page {
		if b.language == "python" {
			if err := os.WriteFile(filepath.Join(dir, "line.py"), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	shell(t, dir, environment(t), page)
}

var variable = regexp.MustCompile(`(?m)^([A-Z_]+) *\?=`)

func TestMakeHelpNamesEveryVariable(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"KEEP", "CHECK", "PLATFORM", "OUT", "TORCH_CPU_INDEX"}
	for _, m := range variable.FindAllStringSubmatch(string(makefile), -1) {
		names = append(names, m[1])
	}
	help, err := exec.CommandContext(t.Context(), "make", "-C", "..", "help").CombinedOutput()
	for _, name := range names {
		if err != nil || !strings.Contains(string(help), "  "+name+" ") {
			t.Errorf("make help does not name %s (%v)\n%s", name, err, help)
		}
	}
}

func TestTutorialOfTheOperator(t *testing.T) {
	need.Program(t, "curl", "apt-get install curl")
	env, replace := ports(t)
	shell(t, t.TempDir(), environment(t, env...), blocks(t, "tutorial-operator.md", ""), replace...)
}

func TestTutorialOfThePlatform(t *testing.T) {
	shell(t, t.TempDir(), environment(t), blocks(t, "tutorial-platform.md", ""))
}
