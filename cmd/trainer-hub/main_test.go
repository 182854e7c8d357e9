package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trainer-hub-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := need.Build(dir+"/", "./cmd/trainer-agent", "./cmd/trainer-hub"); err != nil {
		panic(err)
	}
	programs = dir
	return m.Run()
}

// author is somebody with a hub on this machine, in a folder of their own.
type author struct {
	dir          string
	env          []string
	url, link    string // that the hub printed
	requirements string // that the hub has wheels for
}

// init makes a package that requires what the hub has wheels for.
func (a author) init(t *testing.T, name string) {
	t.Helper()
	if out, code := a.run(t, "trainer-agent", "init", name); code != 0 {
		t.Fatal(out)
	}
	if err := os.WriteFile(filepath.Join(a.dir, name, "requirements.txt"), []byte(a.requirements), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a author) command(t *testing.T, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, program), args...)
	cmd.Dir, cmd.Env = a.dir, a.env
	return cmd
}

// run runs a program to its end and returns what it printed and its exit code.
func (a author) run(t *testing.T, program string, args ...string) (string, int) {
	t.Helper()
	cmd := a.command(t, program, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// serve starts the hub at its defaults but for the address and the scanners that
// this machine may lack.
func serve(t *testing.T, flags ...string) author {
	t.Helper()
	dir, requirements := wheels(t)
	a := author{dir: t.TempDir(), requirements: requirements, env: append(os.Environ(), "TRAINER_HUB_PYTHON="+need.Python(t), "TRAINER_HUB_WHEELS="+dir)}
	hub := exec.Command(filepath.Join(programs, "trainer-hub"), append([]string{"serve", "--addr", "127.0.0.1:0", "--allow-unscanned", "malware,dependencies"}, flags...)...)
	hub.Dir, hub.Env, hub.Stderr = a.dir, a.env, t.Output()
	stdout, err := hub.StdoutPipe()
	if err == nil {
		err = hub.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hub.Process.Signal(syscall.SIGTERM)
		if err := hub.Wait(); err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Isolation:") {
		if after, ok := strings.CutPrefix(lines.Text(), "Hub:"); ok {
			a.url = strings.TrimSpace(after)
		}
		if after, ok := strings.CutPrefix(lines.Text(), "Log in:"); ok {
			a.link = strings.TrimSpace(after)
		}
	}
	if a.url == "" {
		t.Fatal("the hub printed no address")
	}
	token, code := a.run(t, "trainer-hub", "token", "ann")
	if code != 0 {
		t.Fatal(token)
	}
	a.env = append(a.env, "TRAINER_HUB_URL="+a.url, "TRAINER_HUB_TOKEN="+strings.TrimSpace(token))
	return a
}

// A new package passes; the same with code that hides something, or with a
// training that never was, does not, and its author reads why.
func TestPackageIsProven(t *testing.T) {
	a := serve(t)
	a.init(t, "cell-counter")
	publish := func() (string, int) {
		return a.run(t, "trainer-agent", "publish", "cell-counter", "--dry-run", "--wait")
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(a.dir, "cell-counter", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, code := publish()
	if code != 0 || !strings.Contains(out, "The package passed.") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	for _, step := range []string{"dependencies", "structure", "config_schema", "capabilities", "training_test", "inference_test"} {
		if !strings.Contains(out, "passed  "+step) {
			t.Errorf("%s is not among the steps:\n%s", step, out)
		}
	}
	write("train.py", "print('done')\n")
	if out, code := publish(); code != 1 || !strings.Contains(out, "FAILED  training_test") || !strings.Contains(out, "The package did not pass (rejected): not passed: training_test") {
		t.Errorf("a training that never was: exit code %d: %s", code, out)
	}
	write("requirements.txt", "no-such-package==1.0\n")
	if out, code := publish(); code != 1 || !strings.Contains(out, "FAILED  dependencies") || !strings.Contains(out, "pip finds no wheels for it") || strings.Contains(out, "training_test") {
		t.Errorf("a package that is not there: exit code %d: %s", code, out)
	}
	write("weights.pkl", "cos\nsystem\n(S'id'\ntR.") // a pickle that calls os.system
	if out, code := publish(); code != 1 || !strings.Contains(out, "weights.pkl") || strings.Contains(out, "training_test") {
		t.Errorf("code in a pickle: exit code %d: %s", code, out)
	}
	if out, code := a.run(t, "trainer-hub", "audit"); code != 0 || !strings.Contains(out, "acts, unchanged") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if left, err := os.ReadDir(filepath.Join(a.dir, "trainer-hub-data", "work")); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A hub for others prints no login.
func TestHubBehindAProxyPrintsNoLink(t *testing.T) {
	if a := serve(t, "--behind-proxy"); a.link != "" {
		t.Errorf("it printed %s", a.link)
	}
}

// The operator makes an organisation and another operator, and reads who did what.
func TestOperatorsCommands(t *testing.T) {
	a := author{dir: t.TempDir(), env: os.Environ()}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"link ann", 0, "/login?code="},
		{"org cell-lab --add ann,bob", 1, "there is no user bob"},
		{"org cell-lab --add ann", 0, "ann\n"},
		{"link cell-lab", 1, "nobody logs in as it"},
		{"link ann --operator", 0, "/login?code="},
		{"audit --last 2", 0, `"action":"user.promoted"`},
		{"audit", 0, "4 acts, unchanged"},
		{"org cel-lab", 1, "there is no organisation cel-lab"},
		{"org cel-lab --remove ann", 1, "there is no organisation cel-lab"},
		{"org cell-lab", 0, "ann\n"},
		{"org cell-lab --remove ann", 0, ""},
		{"org cell-lab --remove ann", 1, "ann is no member of cell-lab"},
		{"appeals", 0, "no appeals"},
		{"appeals --reason why", 1, "without --grant ID or --refuse ID"},
		{"appeals --grant none --reason why", 1, "there is no such appeal"},
		{"appeals --grant none", 1, "say why"},
		{"appeals --grant a --refuse b", 80, "can't be used together"},
		{"state cell-counter yanked --reason why", 1, "names no version"},
		{"state cell-counter@1.0.0 yanked --reason why", 1, "no such version"},
		{"state cell-counter@1.0.0 gone --reason why", 80, "must be one of"},
	} {
		if out, code := a.run(t, "trainer-hub", strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d: %s", c.args, code, out)
		}
	}
}

// A token of a database that no hub has is no use: whoever makes one in another folder
// than the hub's is told.
func TestATokenBesideNoHubIsSaidToBe(t *testing.T) {
	a := author{dir: t.TempDir(), env: os.Environ()}
	for _, told := range []bool{true, false} {
		out, code := a.run(t, "trainer-hub", "token", "ann")
		if code != 0 || strings.Contains(out, "no hub was started in "+a.dir) != told {
			t.Errorf("told %v: exit code %d: %s", told, code, out)
		}
	}
}

// What Python needs is there for packages too: the data folder, with the hub's keys, is not
// to lie in it.
func TestDataThatPackagesCouldReadIsRefused(t *testing.T) {
	need.Program(t, "bwrap", "apt install bubblewrap")
	a := author{dir: t.TempDir(), env: append(os.Environ(), "TRAINER_HUB_PYTHON="+need.Python(t))}
	a.env = append(a.env, "PYTHONPATH="+a.dir)
	if out, code := a.run(t, "trainer-hub", "serve", "--addr", "127.0.0.1:0"); code == 0 || !strings.Contains(out, "packages can read the data folder") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// A bucket that the store does not have is misspelt: nothing would ever be kept there.
func TestBucketThatIsNoneIsNamed(t *testing.T) {
	server, err := store.Start(t.Context(), store.Config{Dir: t.TempDir(), Buckets: []string{"hub-packages"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	a := author{dir: t.TempDir(), env: append(os.Environ(), "TRAINER_HUB_PYTHON="+need.Python(t), "AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID="+server.AccessKey, "AWS_SECRET_ACCESS_KEY="+server.SecretKey)}
	for _, flag := range []string{"--packages", "--schemas"} {
		out, code := a.run(t, "trainer-hub", "serve", "--isolation", "process", flag, "s3://hub-package")
		if want := flag + " s3://hub-package: the store has no such bucket"; code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit code %d: %s", code, out)
		}
	}
}

// Of a machine the hub needs bubblewrap. Without it packages would not be isolated, so it says what to do, and serves nobody.
func TestWithoutBubblewrapNothingIsServed(t *testing.T) {
	a := author{dir: t.TempDir(), env: []string{"PATH=" + t.TempDir(), "TRAINER_HUB_PYTHON=" + need.Python(t)}}
	out, code := a.run(t, "trainer-hub", "serve", "--addr", "127.0.0.1:0")
	for _, want := range []string{"apt install bubblewrap", "--isolation container takes podman or docker", "--isolation process"} {
		if code != 1 || !strings.Contains(out, want) || strings.Contains(out, "Hub:") {
			t.Errorf("exit code %d, want %q: %s", code, want, out)
		}
	}
	if left, err := os.ReadDir(a.dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v %v", left, err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	a := author{dir: t.TempDir(), env: append(os.Environ(), "TRAINER_HUB_PYTHON="+need.Python(t))}
	for want, args := range map[string][]string{
		"set --python":                             {"serve", "--python", "no-such-python"},
		"without a path":                           {"serve", "--url", "https://hub.example.com/hub"},
		"name it by its digest":                    {"serve", "--isolation", "process", "--base", "python:3.11"},
		"is not HOST or HOST/PATH":                 {"serve", "--isolation", "process", "--registry", "UPPER case"},
		"is not s3://BUCKET":                       {"serve", "--isolation", "process", "--schemas", "config-schemas"},
		`--packages "hub" is not s3://BUCKET`:      {"serve", "--isolation", "process", "--packages", "hub"},
		"needs TRAINER_HUB_WEBHOOK_SECRET":         {"serve", "--isolation", "process", "--webhook", "http://host/"},
		"is not http(s)://HOST":                    {"serve", "--isolation", "process", "--platform", "127.0.0.1:8000"},
		"no user name":                             {"token", "Ann Smith"},
		`"all" is no scope`:                        {"token", "ann", "--scope", "all"},
		"vulnerability data":                       {"scan", "--advisories", "no-such.zip", "."},
		"not scanned for malware: no clamd is set": {"scan", "."},
		"must be one of":                           {"serve", "--isolation", "chroot"},
		"Run the hub until":                        {},
		"making the data folder":                   {"token", "ann", "--data-dir", "/proc/nowhere"},
		"there is no hub's":                        {"audit", "--data-dir", "nowhere"},
		"there is no hub's database in":            {"org", "cell-lab", "--data-dir", "nowhere"},
	} {
		if out, code := a.run(t, "trainer-hub", args...); !strings.Contains(out, want) || (code == 0) != (len(args) == 0) {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
}
