package main_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	token  = "callback-token-of-the-tests"
	bucket = "vision-platform"
)

// platform is a real S3 server and a recording backend, shared by all tests;
// every test has a job id of its own.
type platform struct {
	store   *store.Server
	backend *backend.Backend
	url     string
	agent   string // the built binary
	root    string // of the repository
	jobs    atomic.Int64
}

var shared *platform

func TestMain(m *testing.M) {
	if os.Getpid() == 1 && os.Getenv(guestVariable) != "" {
		guestInit()
	}
	if fifo := os.Getenv(posterVariable); fifo != "" {
		if err := poster(fifo); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trainer-agent-e2e-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	defer fake.Remove()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	p := &platform{agent: builtAgent(root, dir), root: root}
	if p.store, err = store.Start(context.Background(), store.Config{Dir: filepath.Join(dir, "s3"), Buckets: []string{bucket}}); err != nil {
		panic(err)
	}
	defer func() { _ = p.store.Close() }()
	if p.backend, err = backend.New(backend.Options{Token: token}); err != nil {
		panic(err)
	}
	defer func() { _ = p.backend.Close() }()
	server := httptest.NewServer(p.backend)
	defer server.Close()
	p.url = server.URL
	if err := p.put("datasets/tiny.zip", tinyDataset()); err != nil {
		panic(err)
	}
	shared = p
	return m.Run()
}

// builtAgent builds the agent; the guest has no compiler and brings it along.
func builtAgent(root, dir string) string {
	if built := os.Getenv(guestVariable); built != "" {
		return filepath.Join(built, "trainer-agent")
	}
	path := filepath.Join(dir, "trainer-agent")
	build := exec.Command("go", "build", "-o", path, "./cmd/trainer-agent")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building the agent: %v\n%s", err, out))
	}
	return path
}

func (p *platform) put(key string, body []byte) error {
	_, err := p.store.Client().PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(body)})
	return err
}

// tinyDataset is eight images with one box each, in Platform Format.
func tinyDataset() []byte {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	images := []map[string]any{}
	for i := range 8 {
		name := fmt.Sprintf("img%d.png", i)
		w, _ := archive.Create("images/" + name)
		picture := image.NewRGBA(image.Rect(0, 0, 32, 32))
		for x := 8; x < 24; x++ {
			for y := 8; y < 24; y++ {
				picture.Set(x, y, color.RGBA{R: uint8(30 * i), G: 200, A: 255})
			}
		}
		_ = png.Encode(w, picture)
		images = append(images, map[string]any{
			"id": i, "file_name": name, "width": 32, "height": 32,
			"annotations": []any{map[string]any{"class_id": i % 2, "bbox": []int{8, 8, 16, 16}}},
		})
	}
	w, _ := archive.Create("annotations.json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"format_version": "1.0", "dataset_id": "tiny", "images": images,
		"classes": []any{map[string]any{"id": 0, "name": "cat"}, map[string]any{"id": 1, "name": "dog"}},
	})
	_ = archive.Close()
	return out.Bytes()
}

// job is one run of the built agent.
type job struct {
	t         *testing.T
	id        string
	workspace string
	env       map[string]string
	command   []string
	group     string   // the cgroup to run in; "" = the tests' own
	image     string   // the root folder to run in, as PID 1; "" = the machine's own
	prefix    []string // a program that starts the agent
	cmd       *exec.Cmd
	stdout    bytes.Buffer
	stderr    bytes.Buffer
}

// newJob makes a job whose child is the scripted trainer.
func newJob(t *testing.T, scenario string, args ...string) *job {
	t.Helper()
	j := &job{t: t, id: fmt.Sprintf("e2e-%d", shared.jobs.Add(1)), workspace: t.TempDir()}
	j.env = map[string]string{
		"JOB_ID": j.id, "BACKEND_BASE_URL": shared.url, "CALLBACK_TOKEN": token, "TASK_TYPE": "object_detection", "FRAMEWORK": "ultralytics",
		"MODEL_NAME": "yolo11n", "DATASET_ID": "tiny", "EPOCHS": "3", "WORKSPACE_DIR": j.workspace, "BUCKET_NAME": bucket,
		"AGENT_STOP_GRACE": "10s", "AGENT_FLUSH_TIMEOUT": "60s", "DEVICE": "cpu", "CHECKPOINT_FREQUENCY": "1",
	}
	maps.Copy(j.env, shared.store.Env())
	j.command = append([]string{"python3", filepath.Join(shared.root, "testdata", "trainers", "scripted.py"), scenario}, args...)
	return j
}

// with sets variables; an empty value takes one away.
func (j *job) with(pairs ...string) *job {
	for i := 0; i < len(pairs); i += 2 {
		j.env[pairs[i]] = pairs[i+1]
		if pairs[i+1] == "" {
			delete(j.env, pairs[i])
		}
	}
	return j
}

func (j *job) start() *job {
	j.t.Helper()
	line := slices.Concat(j.prefix, []string{shared.agent, "run", "--"}, j.command)
	if j.group != "" {
		line = append([]string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, j.group}, line...)
	}
	if j.image != "" {
		line[0] = "/usr/local/bin/trainer-agent"
		line = append([]string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--root=" + j.image, "--mount-proc"}, line...)
	}
	j.cmd = exec.Command(line[0], line[1:]...)
	j.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range j.env {
		j.cmd.Env = append(j.cmd.Env, name+"="+value)
	}
	j.stdout.Reset()
	j.stderr.Reset()
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	j.cmd.WaitDelay = 5 * time.Second // a child that outlives a killed agent holds our pipe
	if err := j.cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { _ = j.cmd.Process.Kill() })
	return j
}

func (j *job) wait() int {
	j.t.Helper()
	err := j.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	} else if err != nil {
		j.t.Fatal(err)
	}
	return 0
}

// mustExit runs the job to its end and checks the exit code.
func (j *job) mustExit(want int) *job {
	j.t.Helper()
	if got := j.start().wait(); got != want {
		j.t.Fatalf("exit code %d, want %d\n%s\n%s", got, want, j.stdout.String(), j.stderr.String())
	}
	return j
}

// ready waits for the child's own word that it is where the test wants it.
func (j *job) ready() *job {
	j.t.Helper()
	j.until("the child is ready", func(calls []backend.Call) bool { return len(backend.Events(calls, "scripted_ready")) > 0 })
	return j
}

func (j *job) until(what string, predicate func([]backend.Call) bool) {
	j.t.Helper()
	ended := make(chan struct{})
	ctx, cancel := context.WithTimeout(j.t.Context(), patience)
	defer cancel()
	defer close(ended)
	if err := shared.backend.Wait(ctx, j.id, predicate); err != nil {
		j.t.Fatalf("waiting until %s: %v\n%s", what, err, j.stderr.String())
	}
}

func (j *job) calls() []backend.Call { return shared.backend.Calls(j.id) }

// done is the one accepted final callback.
func (j *job) done() contract.Done {
	j.t.Helper()
	finals := backend.Accepted(j.calls(), contract.KindDone)
	if len(finals) != 1 {
		j.t.Fatalf("%d accepted done callbacks, want 1\n%s", len(finals), j.stderr.String())
	}
	var d contract.Done
	if err := finals[0].Decode(&d); err != nil {
		j.t.Fatal(err)
	}
	calls := backend.Accepted(j.calls())
	if last := calls[len(calls)-1]; last.Kind != contract.KindDone {
		j.t.Errorf("%s came after done", last.Kind)
	}
	return d
}

func (j *job) events(name contract.EventType) []contract.Event {
	return backend.Events(j.calls(), name)
}

// object reads one object; nil when it is not there.
func (j *job) object(key string) []byte {
	j.t.Helper()
	out, err := shared.store.Client().GetObject(j.t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return nil
	}
	defer func() { _ = out.Body.Close() }()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		j.t.Fatal(err)
	}
	return b
}

// objects lists the names below a prefix.
func (j *job) objects(prefix string) (names []string) {
	j.t.Helper()
	out, err := shared.store.Client().ListObjectsV2(j.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	if err != nil {
		j.t.Fatal(err)
	}
	for _, o := range out.Contents {
		names = append(names, strings.TrimPrefix(*o.Key, prefix))
	}
	slices.Sort(names)
	return names
}

func (j *job) result() contract.Result {
	j.t.Helper()
	b, err := os.ReadFile(filepath.Join(j.workspace, ".agent", "result.json"))
	if err != nil {
		j.t.Fatal(err)
	}
	var r contract.Result
	if err := json.Unmarshal(b, &r); err != nil {
		j.t.Fatal(err)
	}
	return r
}

// command is another command of the agent in the job's environment.
func command(j *job, args ...string) *exec.Cmd {
	cmd := exec.Command(shared.agent, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range j.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// processes are the job's processes, by the WORKSPACE_DIR in their environment.
func (j *job) processes() (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte("WORKSPACE_DIR="+j.env["WORKSPACE_DIR"]+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// killAll kills the agent and its descendants, as the loss of a machine does.
func (j *job) killAll() {
	for _, pid := range j.processes() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = j.cmd.Wait()
}
