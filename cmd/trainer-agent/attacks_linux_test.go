package main_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The attacks of testdata/attacks are run as the training process of the built agent,
// which is the first process of a namespace and has its secrets as files, as in the pod
// of deploy/k8s. The table of docs/security.md is what they got.

var updateSecurity = flag.Bool("update-security", false, "rewrite the table of docs/security.md")

// posture is a way to run the agent.
type posture struct {
	name string
	user int      // the agent's
	env  []string // of the job
	bare bool     // the kernel has no Landlock
	// gets are the attacks that get through, with what an operator must do.
	gets map[string]string
}

var postures = []posture{
	{name: "one user", user: 1000},
	{name: "root", user: 0},
	{name: "AGENT_RUN_AS, no Landlock", env: []string{"AGENT_RUN_AS", "2000:2000", "AGENT_STATE_DIR", "/mnt/state", "STATE_AS_THE_AGENT_KNOWS_IT", "/mnt/state"}, bare: true, gets: map[string]string{
		"a14_other_jobs_data":        "a cache for each tenant",
		"a17_another_jobs_workspace": "a user for each job",
		"a20_abstract_sockets":       "a container for each job",
	}},
	{name: "one user, no Landlock", user: 1000, bare: true, gets: map[string]string{
		"a01_credential_files":       "give secrets as environment variables (`secretKeyRef`)",
		"a04_agents_state":           "AGENT_RUN_AS; what is in the outbox is authenticated, so it can be lost but not forged",
		"a05_pipe_for_the_log":       "nothing to do: the job ends as it would",
		"a06_workspace_root":         "AGENT_RUN_AS",
		"a07_inputs_and_cache":       "nothing to do: each job checks what it takes from the cache, and works on a copy of its own",
		"a14_other_jobs_data":        "a cache for each tenant",
		"a17_another_jobs_workspace": "AGENT_RUN_AS with a user for each job",
		"a20_abstract_sockets":       "a container for each job",
		"a27_unpacked_programs":      "AGENT_RUN_AS",
		"a08_signals":                "AGENT_RUN_AS; a forged stop ends the job as STOPPED, which is retried",
	}},
}

func TestAttacksOfATrainingProcess(t *testing.T) {
	need.Root(t)
	if confine.ABI() == 0 {
		need.Missing(t, "a kernel with Landlock")
	}
	if err := exec.Command("unshare", "--mount", "--pid", "--fork", "true").Run(); err != nil {
		need.Missing(t, "unshare: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(shared.root, "testdata", "attacks", "a[0-9]*.py"))
	if err != nil || len(files) == 0 {
		t.Fatal("no attacks", err)
	}
	for _, p := range postures {
		t.Run(p.name, func(t *testing.T) {
			got := p.attack(t)
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".py")
				_, expected := p.gets[name]
				switch result := got[name]; {
				case result != "held" && !strings.HasPrefix(result, "GOT "):
					t.Errorf("%s was not tried: %s", name, result)
				case strings.HasPrefix(result, "GOT") && !expected:
					t.Errorf("%s got through: %s", name, result)
				case result == "held" && expected:
					t.Errorf("%s is held, docs/security.md says that it is not", name)
				}
			}
		})
	}
	securityTable(t, files)
}

// attack runs them all, and returns what each got. The job must end well all the same.
func (p posture) attack(t *testing.T) map[string]string {
	j := newJob(t, "")
	dir := "/mnt"
	j.workspace = dir + "/workspace"
	j.command = []string{"/usr/bin/python3", dir + "/attacks/run.py"}
	j.with("WORKSPACE_DIR", j.workspace, "HOME", dir+"/home", "CALLBACK_TOKEN", "", "CALLBACK_TOKEN_FILE", "/run/secrets/trainer/callback-token",
		"AGENT_DATASET_CACHE_DIR", dir+"/cache", "CACHE_AS_THE_AGENT_KNOWS_IT", dir+"/cache", "PATH", "/usr/local/bin:/usr/bin:/bin", "TMPDIR", "/tmp",
		"DATABASE_URL", "postgres://me:word@db/x", "SOME_PASSWORD", "x", "SOME_API_KEY", "x", "HTTPS_PROXY", "http://me:word@proxy.test:3128", "AGENT_STOP_GRACE", "10s")
	j.with("STATE_AS_THE_AGENT_KNOWS_IT", j.workspace+"/.agent").with(p.env...)
	j.prefix = []string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", stageOfAttacks, dir, shared.agent,
		filepath.Join(shared.root, "testdata", "attacks"), token, fmt.Sprint(p.user)}
	if p.bare {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		j.prefix = append([]string{self}, j.prefix...)
		j.with(launcherVariable, "yes")
	}
	j.mustExit(0)
	if d := j.done(); d.Status != "succeeded" {
		t.Errorf("done says %s", d.Status)
	}
	warned := strings.Contains(j.stderr.String(), "The training process can reach files of credentials")
	if _, open := p.gets["a01_credential_files"]; warned != open {
		t.Errorf("warned of credentials in reach: %v\n%s", warned, j.stderr.String())
	}
	if told := j.events(contract.EventIsolationIncomplete); warned && (len(told) != 1 || !strings.Contains(string(told[0].Data), "callback-token")) {
		t.Errorf("the backend was told %+v", told)
	}
	got := map[string]string{}
	for line := range strings.Lines(j.stdout.String()) {
		if name, result, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "attack "), " "); found && strings.HasPrefix(line, "attack ") {
			got[name] = result
		}
	}
	if t.Failed() {
		t.Log(j.stdout.String())
	}
	return got
}

// stageOfAttacks is a machine like the pod's: $0 is a folder to build it in, then the
// agent, the attacks, the token, and the agent's user. A health check runs beside.
const stageOfAttacks = `
dir=$0 agent=$1 attacks=$2 token=$3 user=$4; shift 4; shift
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs "$dir"
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
mkdir -p /run/secrets/trainer/..2026 /run/secrets/identity "$dir/workspace" "$dir/home" "$dir/cache" "$dir/state" /run/bin
printf %s "$token" > /run/secrets/trainer/..2026/callback-token
printf key > /run/secrets/trainer/..2026/secret-key
printf token > /run/secrets/identity/token
ln -s ..2026 /run/secrets/trainer/..data
ln -s ..data/callback-token /run/secrets/trainer/callback-token
chown -R "0:$user" /run/secrets; chmod 440 /run/secrets/*/..2026/* /run/secrets/identity/token
chown "$user:$user" "$dir/workspace" "$dir/home" "$dir/cache"
chmod 777 "$dir/workspace" "$dir/state" # as an emptyDir is
install -D -m 444 -o "$user" /dev/null "$dir/cache/another/data/images/x.png"
install -m 644 -o "$user" /dev/null "$dir/cache/another.lock"
install -D -m 600 -o "$user" /dev/null "$dir/another/.agent/outbox/00000001.log"
install -D -m 600 -o "$user" /dev/null "$dir/another/runs/best.pt"
install -D -m 600 -o "$user" /dev/null "$dir/another/home/.netrc"
chown -R "$user" "$dir/another"
chown -R "${AGENT_RUN_AS:-$user}" "$dir/another/runs" "$dir/another/home" # whose they are
install -D -m 600 /dev/null "/var/tmp/trainer-agent-$user/validate-1/program.py"
chown -R "$user" "/var/tmp/trainer-agent-$user"; chmod 700 "/var/tmp/trainer-agent-$user"
cp -r "$attacks" "$dir/attacks"
install -m 711 "$agent" /run/bin/trainer-agent
printf '127.0.0.1 localhost\n' > /run/hosts; mount --bind /run/hosts /etc/hosts; rm /run/hosts # as engines do
as() { setpriv --reuid "$user" --regid "$user" --clear-groups "$@"; }
as env -i PATH="$PATH" AWS_SECRET_ACCESS_KEY=another WORKSPACE_DIR="$dir/workspace" AGENT_METRICS_ADDR=127.0.0.1:1 \
  sh -c 'while [ ! -e "$WORKSPACE_DIR/runs/over" ]; do /run/bin/trainer-agent health; done' > /dev/null 2>&1 &
as env -i PATH="$PATH" WORKSPACE_DIR="$dir/workspace" python3 "$dir/attacks/neighbour.py" &
cd "$dir/attacks"
caps="--inh-caps=-all --bounding-set=-all"
[ "$user" != 0 ] || caps=
exec setpriv --reuid "$user" --regid "$user" --clear-groups $caps /run/bin/trainer-agent "$@"
`

// spoiler is a training that prints what it was given, and changes whatever the shared
// cache holds if it is told to.
const spoiler = `
import hashlib, os, pathlib, sys
cache, output = pathlib.Path(os.environ["CACHE_AS_THE_AGENT_KNOWS_IT"]), pathlib.Path(os.environ["CHECKPOINT_DIR"])
images = sorted(path for path in pathlib.Path(os.environ["DATASET_DIR"]).rglob("*.png"))
print("given", len(images), hashlib.sha256(b"".join(path.read_bytes() for path in images)).hexdigest())
shared = [path for path in cache.rglob("*.png") if path.is_file()]
print("shared", len(shared) > 0, any(os.path.samefile(a, b) for a in images for b in shared))
for path in shared if sys.argv[1] == "spoil" else []:
    path.chmod(0o644)
    path.write_bytes(b"spoilt")
(output / "last.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
`

// Where the kernel has no Landlock, one job's training can write to the cache of all.
func TestAJobThatRequiresIsolationEndsBeforeItsDownloadWhereThereIsNone(t *testing.T) {
	need.Root(t) // else the launcher may set no filter
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with(launcherVariable, "yes", "AGENT_REQUIRE_ISOLATION", "true")
	j.prefix = []string{self}
	d := j.mustExit(1).done()
	if d.Error == nil || d.Error.Code != contract.CodeConfigInvalid || !strings.Contains(d.Error.Message, "AGENT_REQUIRE_ISOLATION is set, and") {
		t.Errorf("done: %+v", d.Error)
	}
	if e := j.events(contract.EventDatasetDownloaded); len(e) > 0 {
		t.Errorf("the dataset was fetched: %+v", e)
	}
}

func TestWhatATrainingChangedInTheSharedCacheIsNotUsed(t *testing.T) {
	need.Root(t) // else the launcher may set no filter
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	var given string
	for _, run := range []struct {
		does           string
		cached, notice bool
	}{{"spoil", false, false}, {"nothing", false, true}, {"nothing", true, false}} {
		j := newJob(t, "")
		j.prefix, j.command = []string{self}, []string{"python3", "-c", spoiler, run.does}
		j.with(launcherVariable, "yes", "AGENT_DATASET_CACHE_DIR", cache, "CACHE_AS_THE_AGENT_KNOWS_IT", cache).mustExit(0)
		out := j.stdout.String()
		at := strings.Index(out, "given 8 ")
		if at < 0 || !strings.Contains(out, "shared True False") {
			t.Fatalf("nothing was tried, or the job's files are those of the cache:\n%s\n%s", out, j.stderr.String())
		}
		line, _, _ := strings.Cut(out[at:], "\n")
		if given = cmp.Or(given, line); line != given {
			t.Errorf("%s, the first job had %s", line, given)
		}
		if e := j.events(contract.EventDatasetDownloaded); len(e) != 1 || strings.Contains(string(e[0].Data), `"cached":true`) != run.cached {
			t.Errorf("cached: %v, want %v", e, run.cached)
		}
		if notice := strings.Contains(j.stderr.String(), "what the cache holds cannot be used"); notice != run.notice {
			t.Errorf("said that the cache was changed: %v, want %v\n%s", notice, run.notice, j.stderr.String())
		}
	}
}

// launcherVariable makes the test binary a launcher on a kernel that has none.
const launcherVariable = "RUN_WITHOUT_LANDLOCK"

// launch runs a program for which the kernel's calls are not there.
func launch(line []string) error {
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}}
	for _, call := range []uint32{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF} {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
	if err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		return errno
	}
	path, err := exec.LookPath(line[0])
	if err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, launcherVariable+"=") })
	return syscall.Exec(path, line, env)
}

// securityTable compares the table of docs/security.md with the postures, or writes it.
func securityTable(t *testing.T, files []string) {
	t.Helper()
	var table strings.Builder
	table.WriteString("| what the training process tries |")
	for _, p := range postures {
		fmt.Fprintf(&table, " %s |", p.name)
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(postures)) + "\n")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), `"""`), `"""`)
		fmt.Fprintf(&table, "| %s |", strings.TrimSuffix(title, "."))
		for _, p := range postures {
			cell := "held"
			if cure, open := p.gets[strings.TrimSuffix(filepath.Base(file), ".py")]; open {
				cell = "**not held**: " + cure
			}
			fmt.Fprintf(&table, " %s |", cell)
		}
		table.WriteString("\n")
	}
	const begin, end = "<!-- attacks: written by go test ./cmd/trainer-agent -run TestAttacks -update-security -->\n", "<!-- end of attacks -->"
	page := filepath.Join(shared.root, "docs", "security.md")
	now, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(now, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		t.Fatal("docs/security.md has no place for the table")
	}
	want := slices.Concat(before, []byte(begin+table.String()+end), after)
	if *updateSecurity && !t.Failed() {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(now, want) {
		t.Error("docs/security.md is not what the attacks show; run this test with -update-security")
	}
}

// A pod that may not change its user is told at check, not after the download.
func TestRunAsIsRefusedAtCheckWhereItCannotWork(t *testing.T) {
	need.Root(t)
	setpriv := need.Program(t, "setpriv", "apt-get install util-linux")
	j := newJob(t, "").with("AGENT_RUN_AS", "2000:2000")
	check := command(j, "check")
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("root may: %v\n%s", err, out)
	}
	bound := exec.Command(setpriv, "--bounding-set=-all", "--inh-caps=-all", shared.agent, "check")
	bound.Env = check.Env
	if out, err := bound.CombinedOutput(); err == nil || !strings.Contains(string(out), `AGENT_RUN_AS="2000:2000"`) || !strings.Contains(string(out), "SETUID") {
		t.Errorf("%v\n%s", err, out)
	}
}
