package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The test binary is the program of a step as well.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "step" {
		os.Exit(Step(context.Background(), os.Args[2], os.Getenv(IntakeVariable)))
	}
	// A connection whose request was cut short is closed half a second later: longer than goleak waits.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// cluster is an API server of a few lines, with a kubelet of a few more: what it knows are
// Jobs and pods, and what goes wrong is written into fail.
type cluster struct {
	t       *testing.T
	kubelet func(j job, say func(pod map[string]any))
	// fail sees each request first; true means that it has answered.
	fail func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	jobs    map[string]job
	events  []event
	changed chan struct{}
	ending  sync.WaitGroup
}

// event is one of the watch, of the pod of a Job.
type event struct{ job, text string }

func newCluster(t *testing.T) (*cluster, *Kubernetes) {
	t.Helper()
	c := &cluster{t: t, jobs: map[string]job{}, changed: make(chan struct{})}
	server := httptest.NewServer(c)
	t.Cleanup(func() { server.Close(); c.ending.Wait() })
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	text := fmt.Sprintf("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: %q}}]\nusers: [{name: u, user: {token: t0ken}}]\n", server.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", config)
	k, err := New(Settings{Namespace: "proofs", Image: "python@sha256:0", Intake: "http://127.0.0.1:" + freePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	k.patience = patience{pod: 20 * time.Second, api: 5 * time.Second, again: 10 * time.Millisecond, last: time.Second}
	t.Cleanup(k.client.http.CloseIdleConnections)
	return c, k
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return port
}

func start(t *testing.T, k *Kubernetes) {
	t.Helper()
	stop, err := k.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer t0ken" {
		status(w, http.StatusUnauthorized, "who are you")
		return
	}
	if c.fail != nil && c.fail(w, r) {
		return
	}
	jobs, name := "/apis/batch/v1/namespaces/proofs/jobs", filepath.Base(r.URL.Path)
	switch {
	case r.Method == http.MethodPost && r.URL.Path == jobs:
		c.create(w, r)
	case r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, jobs+"/"):
		c.mu.Lock()
		_, there := c.jobs[name]
		delete(c.jobs, name)
		c.mu.Unlock()
		if !there {
			status(w, http.StatusNotFound, "no such job")
		}
	case r.Method == http.MethodGet && r.URL.Path == jobs:
		var names []string
		c.mu.Lock()
		for name, j := range c.jobs {
			if selector(ownerLabel, j.Metadata.Labels[ownerLabel]) == r.URL.Query().Get("labelSelector") {
				names = append(names, fmt.Sprintf(`{"metadata":{"name":%q}}`, name))
			}
		}
		c.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(names, ","))
	case r.URL.Path == "/api/v1/namespaces/proofs/pods" && r.URL.Query().Get("watch") != "":
		c.watch(w, r)
	case r.URL.Path == "/api/v1/namespaces/proofs/pods":
		_, _ = fmt.Fprint(w, `{"metadata":{"resourceVersion":"0"},"items":[]}`)
	case strings.HasSuffix(r.URL.Path, "/log"):
		_, _ = fmt.Fprint(w, "HTTP Error 404: Not Found\n")
	case strings.HasSuffix(r.URL.Path, "/events"):
		_, _ = fmt.Fprint(w, `{"items":[{"reason":"FailedCreate","message":"exceeded quota"}]}`)
	default:
		status(w, http.StatusNotFound, r.URL.Path)
	}
}

func status(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","code":%d,"message":%q}`, code, message)
}

func (c *cluster) create(w http.ResponseWriter, r *http.Request) {
	var j job
	if err := json.NewDecoder(r.Body).Decode(&j); err != nil {
		status(w, http.StatusBadRequest, err.Error())
		return
	}
	c.mu.Lock()
	_, there := c.jobs[j.Metadata.Name]
	c.jobs[j.Metadata.Name] = j
	c.mu.Unlock()
	if there {
		status(w, http.StatusConflict, "it exists already")
		return
	}
	if c.kubelet != nil {
		c.ending.Go(func() { c.kubelet(j, func(p map[string]any) { c.say(j, p) }) })
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprint(w, "{}")
}

// say changes the status of a Job's pod.
func (c *cluster) say(j job, status map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := json.Marshal(map[string]any{"type": "MODIFIED", "object": map[string]any{
		"metadata": map[string]any{"name": j.Metadata.Name + "-x", "resourceVersion": fmt.Sprint(len(c.events) + 1)}, "status": status,
	}})
	if err != nil {
		c.t.Error(err)
	}
	c.events = append(c.events, event{j.Metadata.Name, string(text)})
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *cluster) watch(w http.ResponseWriter, r *http.Request) {
	var at int
	_, _ = fmt.Sscan(r.URL.Query().Get("resourceVersion"), &at)
	w.WriteHeader(http.StatusOK)
	for {
		c.mu.Lock()
		events, changed := c.events[at:], c.changed
		c.mu.Unlock()
		for _, event := range events {
			if at++; r.URL.Query().Get("labelSelector") == selector(jobLabel, event.job) {
				_, _ = fmt.Fprintln(w, event.text)
			}
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// left are the Jobs that nobody has removed.
func (c *cluster) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.jobs)
}

// manifest is what the kubelet reads of a Job.
type manifest struct {
	Template struct {
		Spec struct {
			InitContainers, Containers []struct {
				Command      []string
				Env          []struct{ Name, Value string }
				VolumeMounts []struct {
					Name, MountPath, SubPath string
					ReadOnly                 bool
				}
			}
		}
	}
}

// node runs the pod of a Job as a kubelet would: the first container by this machine's
// Python, the second one where its volumes are mounted, as the first process of it.
func (c *cluster) node(j job, say func(map[string]any)) {
	text, err := json.Marshal(j.Spec)
	if err != nil {
		c.t.Error(err)
		return
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		c.t.Error(err)
		return
	}
	volumes := c.t.TempDir()
	running := []any{map[string]any{"name": "x", "state": map[string]any{"running": map[string]any{}}}}
	say(map[string]any{"phase": "Pending", "initContainerStatuses": running})
	fetch := m.Template.Spec.InitContainers[0].Command
	if out, err := exec.Command(fetch[0], append(fetch[1:len(fetch)-1:len(fetch)-1], volumes)...).CombinedOutput(); err != nil {
		say(map[string]any{"phase": "Failed", "initContainerStatuses": ended(1, "Error")})
		c.t.Logf("fetching: %v %s", err, out)
		return
	}
	step := m.Template.Spec.Containers[0]
	args := []string{"--unshare-pid", "--as-pid-1", "--die-with-parent", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "IMAGE", "its own",
		"--proc", "/proc", "--dev", "/dev", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--tmpfs", "/tmp"}
	for _, mount := range step.VolumeMounts {
		if flag := map[bool]string{true: "--ro-bind", false: "--bind"}[mount.ReadOnly]; mount.SubPath != "" {
			args = append(args, flag, filepath.Join(volumes, mount.Name, mount.SubPath), mount.MountPath)
		}
	}
	for _, pair := range step.Env {
		args = append(args, "--setenv", pair.Name, pair.Value)
	}
	say(map[string]any{"phase": "Running", "containerStatuses": running})
	var said bytes.Buffer
	cmd := exec.Command("bwrap", append(args, step.Command...)...)
	cmd.Stderr = &said
	if err := cmd.Run(); cmd.ProcessState == nil {
		c.t.Error(err)
		return
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		c.t.Logf("the step: %d %s", code, said.String())
		say(map[string]any{"phase": "Failed", "containerStatuses": ended(code, "Error")})
		return
	}
	say(map[string]any{"phase": "Succeeded", "containerStatuses": ended(0, "Completed")})
}

func ended(code int, reason string) []any {
	return []any{map[string]any{"name": "x", "state": map[string]any{"terminated": map[string]any{"exitCode": code, "reason": reason}}}}
}

func withNode(t *testing.T) (*cluster, *Kubernetes) {
	t.Helper()
	need.Program(t, "bwrap", "apt install bubblewrap")
	c, k := newCluster(t)
	c.kubelet = c.node
	start(t, k)
	return c, k
}
