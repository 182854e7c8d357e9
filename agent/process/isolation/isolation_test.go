package isolation

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func stageOf(required bool) (*Stage, *job.Events) {
	log := slog.New(slog.DiscardHandler)
	events := job.NewEvents(log, time.Now, "")
	return &Stage{Required: required, Events: events, Log: log, Job: Job{Workspace: job.Workspace{Root: "/ws"}}}, events
}

func TestWhatIsInReachIsAWarningOrRefused(t *testing.T) {
	other := &process.Identity{UID: uint32(os.Geteuid()) + 1}
	in := confine.Plan{Open: []confine.Conflict{{Path: "/home/me/token", Whole: "/home/me"}}}
	for name, c := range map[string]struct {
		off, required bool
		runAs         *process.Identity
		open          []string
		warns, fails  string
	}{
		"nothing":                   {runAs: other},
		"nothing, required":         {runAs: other, required: true},
		"a file, no Landlock":       {off: true, open: []string{"/run/secrets/a"}, warns: "(/run/secrets/a): both are the same user, and this kernel has no Landlock"},
		"many files":                {off: true, open: []string{"/a", "/b", "/c", "/d", "/e"}, warns: "(/a, /b, /c and 2 more)"},
		"a file, required":          {off: true, required: true, open: []string{"/a"}, fails: "AGENT_REQUIRE_ISOLATION is set, and the training process can reach files of credentials (/a)"},
		"the state":                 {off: true, open: []string{"/ws/.agent/lock"}},
		"the state, required":       {off: true, required: true, open: []string{"/ws/.agent/lock"}, fails: "the agent's own state in /ws/.agent"},
		"a file that is for all":    {runAs: other, open: []string{"/etc/token"}, warns: "chmod 600"},
		"a file in a folder of its": {open: []string{"/home/me/token"}, warns: "the process makes files in /home/me"},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.off && confine.ABI() == 0 {
				c.off = true
			}
			s, events := stageOf(c.required)
			s.off, s.RunAs = c.off, c.runAs
			plan := &in
			if c.off {
				plan = nil
			}
			err := s.judge(s.findings(c.open, plan))
			if f := contract.AsFailure(err); (f == nil) != (c.fails == "") || f != nil && (f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Message, c.fails)) {
				t.Errorf("failure %v, want %q", err, c.fails)
			}
			if said := strings.Join(events.Warnings(), "\n"); (said == "") != (c.warns == "") || !strings.Contains(said, c.warns) {
				t.Errorf("warned %q, want %q", said, c.warns)
			}
		})
	}
}

// Landlock closes no socket: who may ask Docker for a process has one that is kept from nothing.
func TestAServiceThatStartsProgramsIsNoIsolation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	reached := func() string {
		var out bytes.Buffer
		if err := Reach(&out, []string{path, path + "none"}); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	if got := reached(); got != path+"\x00" {
		t.Errorf("%q", got)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	if got := reached(); got != "" {
		t.Errorf("nobody listens, and %q is reached", got)
	}
	for _, required := range []bool{false, true} {
		s, events := stageOf(required)
		s.RunAs = &process.Identity{UID: 1234}
		err := s.judge(s.findings([]string{"/run/docker.sock", "/run/user/1234/bus"}, &confine.Plan{}))
		if refused := err != nil && strings.Contains(err.Error(), "(/run/docker.sock, /run/user/1234/bus)"); refused != required || len(events.Warnings()) > 0 {
			t.Errorf("required %v: %v, %q", required, err, events.Warnings())
		}
	}
}

// Another agent of the same user runs beside this one.
func TestWorkspacesAndStatesOfOtherJobsAreClosed(t *testing.T) {
	workspaces, states := t.TempDir(), t.TempDir()
	for _, dir := range []string{"mine/runs", "mine/home", "theirs/runs", "theirs/home", "data/images", "runs", "home"} {
		if err := os.MkdirAll(filepath.Join(workspaces, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"mine/outbox", "mine/lock", "theirs/outbox", "theirs/lock"} {
		if err := os.MkdirAll(filepath.Join(states, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ws := job.Workspace{Root: filepath.Join(workspaces, "mine"), State: filepath.Join(states, "mine")}
	want := []string{filepath.Join(workspaces, "theirs"), filepath.Join(states, "theirs")}
	if got := (Job{Workspace: ws}).neighbours(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if private := (Job{Workspace: ws}).policy().Private; !slices.Contains(private, want[0]) || !slices.Contains(private, want[1]) {
		t.Errorf("%q", private)
	}
}

// What validate unpacks is run outside of every confinement. The agent that it starts there
// keeps its training from the others' folders, and not from the package.
func TestTheScratchFolderOfTheCommandsIsClosed(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), "scratch")
	j := Job{Workspace: job.Workspace{Root: t.TempDir()}, Scratch: scratch}
	if p := j.policy(); !slices.Contains(p.Private, scratch) || !slices.Contains(p.ReadOnly, scratch) {
		t.Errorf("%+v", p)
	}
	own := filepath.Join(scratch, "validate-1")
	j.Workspace.Root = filepath.Join(own, "tests", "workspace")
	if err := os.MkdirAll(j.Workspace.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	if p := j.policy(); slices.Contains(p.Private, scratch) || !slices.Contains(p.ReadOnly, scratch) || !slices.Contains(p.Whole, own) {
		t.Errorf("of a job in it: %+v", p)
	}
}

// In HOME, /tmp or the working directory they stay open, also where the own state is elsewhere.
func TestAnotherJobsWorkspaceInReachIsNoIsolation(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"mine", "theirs/runs", "theirs/home"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, required := range []bool{false, true} {
		s, events := stageOf(required)
		s.Job = Job{Workspace: job.Workspace{Root: filepath.Join(home, "mine"), State: t.TempDir()}, Home: home}
		plan, err := s.Job.policy().Plan()
		if err != nil {
			t.Fatal(err)
		}
		err = s.judge(s.aboutNeighbours(&plan))
		if refused := err != nil && strings.Contains(err.Error(), "reach another job's files, because "+filepath.Join(home, "theirs")); refused != required || len(events.Warnings()) > 0 {
			t.Errorf("required %v: %v, %q", required, err, events.Warnings())
		}
	}
}

// Homes are often links; a file that is closed already is not cured by chmod.
func TestTheCureOfALinkIsThatOfWhatItLeadsTo(t *testing.T) {
	if confine.ABI() == 0 {
		need.Missing(t, "a kernel with Landlock")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	home, link := filepath.Join(dir, "home"), filepath.Join(dir, "link")
	token := filepath.Join(home, "token")
	for _, err := range []error{err, os.Mkdir(home, 0o755), os.WriteFile(token, nil, 0o600), os.Symlink("home", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s, _ := stageOf(false)
	plan := &confine.Plan{Open: []confine.Conflict{{Path: token, Whole: home}}}
	if found := s.findings([]string{filepath.Join(link, "token")}, plan); len(found) != 1 || !strings.Contains(found[0], "the process makes files in "+home) {
		t.Errorf("%q", found)
	}
}

// What one job's training puts into a cache that lies in its HOME, the next job trains on.
func TestASharedCacheInAFolderOfTheTrainingsIsNoIsolation(t *testing.T) {
	if confine.ABI() < confine.WholeABI {
		need.Missing(t, "a kernel whose Landlock keeps files whole")
	}
	home, elsewhere := t.TempDir(), t.TempDir()
	inside := filepath.Join(home, "cache")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	for cache, refused := range map[string]bool{inside: true, elsewhere: false, "": false} {
		s, _ := stageOf(true)
		s.Job.Cache = cache
		plan, err := confine.Policy{Private: []string{cache}, Whole: []string{home}}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(s.findings(nil, &plan), " "); strings.Contains(said, "AGENT_DATASET_CACHE_DIR") != refused {
			t.Errorf("%q: %q", cache, said)
		}
		s.RunAs = &process.Identity{UID: uint32(os.Geteuid()) + 1}
		if said := s.findings(nil, &plan); len(said) > 0 {
			t.Errorf("%q, as another user: %q", cache, said)
		}
	}
}

// A helper that is slow or ends badly is no kernel without Landlock.
func TestAHelperThatEndsBadlyDoesNotTurnTheConfinementOff(t *testing.T) {
	supervisor, err := process.NewSupervisor(process.Options{NoCgroup: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = supervisor.Close() }()
	s, events := stageOf(false)
	s.Supervisor, s.Helper = supervisor, []string{"/bin/sh", "-c", "exit 3"}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if plan, err := s.Plan(); plan == nil || err != nil {
		t.Errorf("the child is not confined: %v", err)
	}
	if said := strings.Join(events.Warnings(), " "); !strings.Contains(said, "could not be found out") {
		t.Errorf("warned %q", said)
	}
}

func TestASystemThatKeepsNothingApartIsRefusedOnlyWhereItMatters(t *testing.T) {
	for _, required := range []bool{false, true} {
		s, events := stageOf(required)
		if err := s.Start(t.Context()); (err != nil) != required || len(events.Warnings()) > 0 {
			t.Errorf("required %v: %v, warned %v", required, err, events.Warnings())
		}
	}
}

func TestReachSaysWhatOpens(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "a b\nc")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Reach(&out, []string{filepath.Join(dir, "none"), there, dir}); err != nil || out.String() != there+"\x00"+dir+"\x00" {
		t.Errorf("%q %v", out.String(), err)
	}
}

func TestAVolumeOfSecretsIsPrivateAsAWhole(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "volume", "..1"), 0o755), os.WriteFile(filepath.Join(dir, "volume", "..1", "token"), nil, 0o600),
		os.Symlink("..1", filepath.Join(dir, "volume", "..data")), os.Symlink("..data/token", filepath.Join(dir, "volume", "token")),
		os.WriteFile(filepath.Join(dir, "token"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := volume(filepath.Join(dir, "volume", "token")); got != filepath.Join(dir, "volume") {
		t.Error(got)
	}
	if got := volume(filepath.Join(dir, "token")); got != filepath.Join(dir, "token") {
		t.Error(got)
	}
	j := Job{Credentials: []string{filepath.Join(dir, "token")}, Secrets: []string{filepath.Join(dir, "volume"), filepath.Join(dir, "none")}}
	if got := j.secretFiles(); len(got) != 2 || !slices.Contains(got, filepath.Join(dir, "token")) {
		t.Errorf("%v", got)
	}
}

// Root on a bare machine reads its disks by their devices; a container has none.
func TestARootThatCanReadTheMachinesDisksIsNoIsolation(t *testing.T) {
	need.Root(t)
	blocks, devices := t.TempDir(), t.TempDir()
	for name, size := range map[string]string{"loop0": "0\n", "sda": "4096\n", "cciss!c0d0": "4096\n"} {
		if err := errors.Join(os.Mkdir(filepath.Join(blocks, name), 0o755), os.WriteFile(filepath.Join(blocks, name, "size"), []byte(size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"loop0", "sda"} {
		if disk := openDisk(blocks, devices); disk != "" {
			t.Errorf("found %s before %s was there", disk, name)
		}
		if err := os.WriteFile(filepath.Join(devices, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk := openDisk(blocks, devices)
	if disk != filepath.Join(devices, "sda") {
		t.Fatalf("found %q", disk)
	}
	s, _ := stageOf(true)
	if err := s.judge(s.aboutDisks(disk)); err == nil || !strings.Contains(err.Error(), disk) {
		t.Errorf("as root: %v", err)
	}
	s.RunAs = &process.Identity{UID: 2000, GID: 2000}
	if err := s.judge(s.aboutDisks(disk)); err != nil {
		t.Errorf("as another user: %v", err)
	}
}

func TestAWorkspaceInAFolderOfTheOtherUsersIsRefused(t *testing.T) {
	need.Root(t)
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.Mkdir(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	for owner, refused := range map[int]bool{0: false, 2000: true} {
		if err := os.Chown(theirs, owner, owner); err != nil {
			t.Fatal(err)
		}
		s, _ := stageOf(false)
		s.off, s.RunAs, s.Job.Workspace.Root = true, &process.Identity{UID: 2000, GID: 2000}, filepath.Join(theirs, "ws")
		if f := contract.AsFailure(s.placed()); (f != nil) != refused || refused && !strings.Contains(f.Message, "it can write to "+theirs) {
			t.Errorf("owner %d: %v", owner, f)
		}
		s.off = confine.ABI() == 0
		if err := s.placed(); (err != nil) && !s.off {
			t.Errorf("with Landlock: %v", err)
		}
	}
}
