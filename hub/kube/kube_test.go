package kube

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

var limits = runner.Limits{Time: 30 * time.Second, Memory: 1 << 30, Disk: 64 << 20, Files: 1000, Processes: 200}

// shell is a command that reads one folder and writes to another one.
func shell(t *testing.T, script string) (c runner.Command, read, write string, said *bytes.Buffer) {
	t.Helper()
	read, write = t.TempDir(), t.TempDir()
	for name, text := range map[string]string{filepath.Join(read, "given"): "from the hub", filepath.Join(write, "old"): "of an earlier step"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	said = &bytes.Buffer{}
	return runner.Command{
		Program: "sh", Args: []string{"-c", script, read, write}, Dir: read, Env: []string{"PLACE=the pod"}, Read: []string{read}, Write: []string{write}, Stdout: &bytes.Buffer{}, Stderr: said,
	}, read, write, said
}

func TestACommandRunsInAPodAndItsFilesComeBack(t *testing.T) {
	c, k := withNode(t)
	command, read, write, said := shell(t, `cat given; echo " $PLACE $IMAGE" >&2; env | grep -c -e TRAINER_HUB -e KUBERNETES >&2; echo changed > given; rm "$1/old"; mkdir "$1/sub"; echo new > "$1/sub/file"; ln -s /etc/passwd "$1/link"; exit 3`)
	err := k.Run(t.Context(), command, limits)
	if exit, is := errors.AsType[*runner.Exit](err); !is || exit.Code != 3 || !runner.Ended(err) {
		t.Errorf("%v, want its own exit code", err)
	}
	if out := command.Stdout.(*bytes.Buffer).String(); out != "from the hub" || !strings.HasPrefix(said.String(), " the pod its own\n0\n") {
		t.Errorf("%q %q", out, said.String())
	}
	text, err := os.ReadFile(filepath.Join(write, "sub", "file"))
	if string(text) != "new\n" {
		t.Errorf("%q %v", text, err)
	}
	if target, err := os.Readlink(filepath.Join(write, "link")); target != "/etc/passwd" {
		t.Errorf("%q %v", target, err)
	}
	if _, err := os.Stat(filepath.Join(write, "old")); err == nil {
		t.Error("what the command removed is still there")
	}
	if text, _ := os.ReadFile(filepath.Join(read, "given")); string(text) != "from the hub" {
		t.Errorf("it changed what it may only read: %q", text)
	}
	if c.left() != 0 {
		t.Error("the Job was left behind")
	}
}

func TestWhatGrowsInAPodIsEnded(t *testing.T) {
	c, k := withNode(t)
	for want, script := range map[string]string{
		"time":      "sleep 60",
		"disk":      `for i in 1 2 3 4 5 6 7 8 9; do head -c 16777216 /dev/zero > "$1/$i"; done; sleep 60`,
		"processes": `for i in $(seq 300); do sleep 60 & done; wait`, // no bomb: this machine's root is not bounded by the kernel
		"memory":    `exec python3 -c "x = bytearray(1 << 29); x[::4096] = b'1' * len(x[::4096]); input()" < /dev/zero`,
	} {
		command, _, _, said := shell(t, script)
		bounded := limits
		bounded.Memory, bounded.Time = 256<<20, 10*time.Second
		if want == "time" {
			bounded.Time = time.Second
		}
		err := k.Run(t.Context(), command, bounded)
		if over, is := errors.AsType[*runner.Exceeded](err); !is || over.What != want {
			t.Errorf("%v %s, want the limit of %s", err, said.String(), want)
		}
	}
	if c.left() != 0 {
		t.Error("Jobs were left behind")
	}
}

// The server loses an answer, is busy, forgets where a watch was and cuts another one; the
// command runs once and its end is known.
func TestAnAPIServerThatMisbehavesIsBorne(t *testing.T) {
	c, k := withNode(t)
	var creates, watches atomic.Int32
	c.fail = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPost && creates.Add(1) == 1:
			status(w, http.StatusTooManyRequests, "later")
			return true
		case r.Method == http.MethodPost && creates.Load() == 2:
			c.create(&bytesWriter{}, r) // done, and the answer is lost
			panic(http.ErrAbortHandler)
		case r.URL.Query().Get("watch") == "":
			return false
		}
		switch watches.Add(1) {
		case 1:
			status(w, http.StatusGone, "too old resource version")
		case 2:
			_, _ = w.Write([]byte(`{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}` + "\n"))
		case 3:
			_, _ = w.Write([]byte(`{"type":"MODIF`))
			panic(http.ErrAbortHandler)
		case 4:
			status(w, http.StatusServiceUnavailable, "etcd is away")
		default:
			return false
		}
		return true
	}
	command, _, write, _ := shell(t, `echo once >> "$1/runs"; sleep 1`)
	if err := k.Run(t.Context(), command, limits); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(filepath.Join(write, "runs")); string(text) != "once\n" {
		t.Errorf("%q", text)
	}
	if creates.Load() != 3 || watches.Load() < 2 || c.left() != 0 {
		t.Errorf("%d creates, %d watches, %d Jobs left", creates.Load(), watches.Load(), c.left())
	}
}

type bytesWriter struct{ bytes.Buffer }

func (*bytesWriter) Header() http.Header { return http.Header{} }
func (*bytesWriter) WriteHeader(int)     {}

// What keeps a pod from running is the cluster's fault, is named, and leaves no Job.
func TestAPodThatCannotRunIsTheClustersFault(t *testing.T) {
	waiting := func(reason, message string) map[string]any {
		return map[string]any{"phase": "Pending", "initContainerStatuses": []any{map[string]any{"state": map[string]any{"waiting": map[string]any{"reason": reason, "message": message}}}}}
	}
	for want, pod := range map[string]map[string]any{
		"ErrImagePull: no such image":                          waiting("ErrImagePull", "no such image"),
		"the pod cannot begin: InvalidImage":                   waiting("InvalidImageName", "what is this"),
		"Unschedulable: 0/3 nodes":                             {"phase": "Pending", "conditions": []any{map[string]any{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}}},
		"no pod came in 1s: FailedCreate: ex":                  nil,
		"could not fetch its files (Error, 1): HTTP Error 404": {"phase": "Failed", "initContainerStatuses": ended(1, "Error")},
		"Evicted: The node was low on resource: memory":        {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
		"Preempting": {"phase": "Failed", "reason": "Preempting", "message": "for another pod"},
	} {
		c, k := newCluster(t)
		start(t, k)
		if pod == nil { // what is said of a pod may take a busy machine longer
			k.patience.pod = time.Second
		} else if pod["phase"] == "Pending" {
			k.patience.pod = 3 * time.Second
		}
		c.kubelet = func(_ job, say func(map[string]any)) {
			if pod != nil {
				say(pod)
			}
		}
		command, _, _, _ := shell(t, "true")
		err := k.Run(t.Context(), command, limits)
		if _, over := errors.AsType[*runner.Exceeded](err); err == nil || over || runner.Ended(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if c.left() != 0 {
			t.Errorf("%s: the Job was left behind", want)
		}
	}
}

// The end of a pod that told nothing becomes the finding that the same end has elsewhere.
func TestTheEndOfAPodBecomesAFinding(t *testing.T) {
	for text, want := range map[string]string{
		`{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}`:                                "memory",
		`{"phase":"Failed","reason":"Evicted","message":"Usage of EmptyDir volume \"out\" exceeds the limit \"4Gi\". "}`:                         "disk",
		`{"phase":"Failed","reason":"Evicted","message":"Pod ephemeral local storage usage exceeds the total limit of containers 5Gi. "}`:        "disk",
		`{"phase":"Failed","reason":"DeadlineExceeded","message":"Pod was active on the node longer than the specified deadline"}`:               "time",
		`{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":2,"reason":"Error"}}}]}`:                                      "exit status 2",
		`{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":75,"reason":"Error"}}}]}`:                                     "without saying",
		`{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":128,"reason":"StartError","message":"exec format error"}}}]}`: "exec format error",
		`{"phase":"Failed","reason":"Evicted","message":"Usage of EmptyDir volume \"tmp\" exceeds the limit \"512Mi\". "}`:                       "tmp",
		`{"phase":"Failed","reason":"NodeShutdown","message":"Pod was terminated in response to imminent node shutdown."}`:                       "NodeShutdown",
	} {
		var p pod
		if err := json.Unmarshal([]byte(text), &p.Status); err != nil {
			t.Fatal(err)
		}
		err := p.verdict(limits, true)
		if over, is := errors.AsType[*runner.Exceeded](err); is && over.What == want {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || want == "disk" || want == "memory" || want == "time" {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A pod that a drain ends looks as if its command had ended by SIGTERM.
func TestAPodThatIsDeletedIsTheClustersFault(t *testing.T) {
	var p pod
	if err := json.Unmarshal([]byte(`{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":143,"reason":"Error"}}}]}}`), &p); err != nil {
		t.Fatal(err)
	}
	if err := p.verdict(limits, true); !errors.Is(err, errDeleted) {
		t.Errorf("%v", err)
	}
}

// What a package does to the step beside it is its own end.
func TestAPackageThatEndsItsStepEndsItself(t *testing.T) {
	_, k := withNode(t)
	k.patience.last = 10 * time.Second // its pod tells the end, on a machine that may be busy
	command, _, _, _ := shell(t, "kill -TERM 1; sleep 60")
	err := k.Run(t.Context(), command, limits)
	if exit, is := errors.AsType[*runner.Exit](err); !is || exit.Code != 143 {
		t.Errorf("%v", err)
	}
}

// The step's variables can be read by the package, with the address in them.
func TestAPackageGetsNothingFromTheIntake(t *testing.T) {
	_, k := withNode(t)
	command, _, _, _ := shell(t, `at=$(tr "\0" "\n" < /proc/1/environ | sed -n s/^TRAINER_HUB_PROOF=//p); exec python3 -c '
import sys, urllib.request
for body in (None, b"r"):
    try:
        print(urllib.request.urlopen(sys.argv[1], body).status)
    except urllib.error.HTTPError as refused:
        print(refused.code)
' "$at"`)
	err := k.Run(t.Context(), command, limits)
	if said := command.Stdout.(*bytes.Buffer).String(); err != nil || said != "409\n409\n" {
		t.Errorf("%v %q %v", err, said, command.Stderr)
	}
}

func TestWhatNobodyCanLookIntoIsTooMuch(t *testing.T) {
	_, k := withNode(t)
	command, _, _, _ := shell(t, `exec python3 -c '
import os, sys
os.chdir(sys.argv[1])
for _ in range(25):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
' "$1"`)
	err := k.Run(t.Context(), command, limits)
	if over, is := errors.AsType[*runner.Exceeded](err); !is || over.What != "disk" {
		t.Errorf("%v %v", err, command.Stderr)
	}
}

// A training writes nothing for minutes; then a proxy or a restart of the server cuts the watch.
func TestAQuietWatchThatIsCutIsBegunAgain(t *testing.T) {
	c, k := withNode(t)
	k.patience.api, k.patience.again = time.Second, 50*time.Millisecond // in which a busy machine answers as well
	var watches atomic.Int32
	c.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("watch") == "" {
			return false
		}
		if watches.Add(1) == 1 {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(3 * k.patience.api / 2)
			panic(http.ErrAbortHandler)
		}
		return true // ended at once
	}
	command, _, _, _ := shell(t, "sleep 2")
	if err := k.Run(t.Context(), command, limits); err != nil {
		t.Error(err)
	}
	if n := watches.Load(); n < 2 || n > 200 {
		t.Errorf("%d watches, want one after the other with a rest between", n)
	}
}

func TestARefusalNamesTheRole(t *testing.T) {
	c, k := newCluster(t)
	start(t, k)
	c.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			status(w, http.StatusForbidden, `jobs.batch is forbidden: User "x" cannot create resource "jobs"`)
		}
		return r.Method == http.MethodPost
	}
	command, _, _, _ := shell(t, "true")
	if err := k.Run(t.Context(), command, limits); err == nil || !strings.Contains(err.Error(), "cannot create resource") || !strings.Contains(err.Error(), "Jobs create, list, delete") {
		t.Errorf("%v", err)
	}
}

func TestACancelledRunLeavesNoJob(t *testing.T) {
	c, k := withNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	command, _, _, _ := shell(t, "echo ready >&2; sleep 60")
	command.Stderr = writer(func([]byte) { cancel() })
	if err := k.Run(ctx, command, limits); !errors.Is(err, context.Canceled) || c.left() != 0 {
		t.Errorf("%v, %d Jobs left", err, c.left())
	}
	k.client.http.CloseIdleConnections()
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// The Jobs of a hub that was killed are removed by the next one of its data folder, and
// nobody else's.
func TestTheNextHubRemovesWhatAKilledOneLeft(t *testing.T) {
	c, k := newCluster(t)
	dir := t.TempDir()
	stop, err := k.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for name, owner := range map[string]string{"mine": k.owner, "other": "another"} {
		c.jobs[name] = job{Metadata: metadata{Name: name, Labels: map[string]string{ownerLabel: owner}}}
	}
	if stop, err = k.Start(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stop() }()
	if _, there := c.jobs["other"]; !there || len(c.jobs) != 1 {
		t.Errorf("left: %v", c.jobs)
	}
}

// What a pod sends is a stranger's: nothing outside of the folders is written, and not more
// than the limits.
func TestWhatAPodSendsStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	write, outside := filepath.Join(dir, "write"), filepath.Join(dir, "outside")
	if err := errors.Join(os.Mkdir(write, 0o755), os.Mkdir(outside, 0o755)); err != nil {
		t.Fatal(err)
	}
	c := runner.Command{Write: []string{write}}
	send := func(headers ...tar.Header) error {
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		for _, h := range headers {
			h.Mode = 0o644
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(make([]byte, h.Size))
		}
		_ = w.Close()
		return unpack(&text, c, runner.Limits{Disk: 100, Files: 3})
	}
	file := func(name string, size int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size}
	}
	for what, err := range map[string]error{
		"above":                      send(file("w0/../../outside/x", 1)),
		"by a link":                  send(tar.Header{Typeflag: tar.TypeSymlink, Name: "w0/a", Linkname: outside}, file("w0/a/x", 1)),
		"absolute":                   send(file("w0//"+outside+"/x", 1)),
		"too much":                   send(file("w0/x", 101)),
		"too many":                   send(file("w0/1", 1), file("w0/2", 1), file("w0/3", 1), file("w0/4", 1)),
		"one name twice":             send(file("w0/1", 1), file("w0/1", 1)),
		"folders that nobody counts": send(tar.Header{Typeflag: tar.TypeDir, Name: "w0/a/b/c/d/e/f/"}),
	} {
		if err == nil && what != "absolute" {
			t.Errorf("%s: it was taken", what)
		}
	}
	if err := send(tar.Header{Typeflag: tar.TypeChar, Name: "w0/device"}, tar.Header{Typeflag: tar.TypeLink, Name: "w0/hard", Linkname: "/etc/shadow"}, file("w1/x", 1)); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("written outside: %v %v", left, err)
	}
	if left, err := os.ReadDir(write); err != nil || len(left) > 0 {
		t.Errorf("devices and hard links: %v %v", left, err)
	}
}

func TestSettingsThatCannotWorkAreNamed(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for want, s := range map[string]Settings{
		"http://$(POD_IP):7071": {Intake: "http://hub.example.com:7071", Image: "python@sha256:0"},
		"by its digest":         {Intake: "http://10.0.0.1:7071", Image: "python:3.11"},
		"KUBECONFIG":            {Intake: "http://10.0.0.1:7071", Image: "python@sha256:0"},
	} {
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzHear(f *testing.F) {
	var whole bytes.Buffer
	to := &frames{to: &whole}
	_ = to.write(frameErr, []byte("said"))
	_ = to.write(frameResult, []byte(`{"Exit":1}`))
	_ = to.write(frameFiles, make([]byte, 1024))
	_ = to.write(frameEnd, nil)
	f.Add(whole.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = newTransfer("", runner.Command{Write: []string{t.TempDir()}}, limits).hear(bytes.NewReader(text))
	})
}
