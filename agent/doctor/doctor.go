// Package doctor tries everything that a job will need before it is run: the
// environment, backend, workspace, bucket, machine, GPU and Python.
//
// It promises to change nothing but one small object that it removes again; the
// backend sees one callback that it must refuse. Every finding that is not green
// says what to do. It leaves opening stores and reading the machine to the rooms
// that do so for a job, so that both see the same.
package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Grade says how a finding bears on the job.
type Grade string

// The grades of a finding: fine, may hurt, and will fail.
const (
	Green  Grade = "green"
	Yellow Grade = "yellow"
	Red    Grade = "red"
)

// Finding is one thing that doctor looked at.
type Finding struct {
	Grade Grade  `json:"grade"`
	Name  string `json:"name"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`
}

// Options say what to look at. Every function is required.
type Options struct {
	JobID        string
	Problems     []Problem // of the environment
	Backend      Backend
	WorkspaceDir string
	StateDir     string // AGENT_STATE_DIR, or ""
	Bucket       Bucket
	Machine      Machine
	GPU          GPU
	Reachable    func() []string // what of the agent's a training could reach all the same, and the cures
	Landlock     int             // the kernel's version of it, 0 for none
	Environ      []string        // of the programs that are asked: nothing secret
	Now          func() time.Time
}

// Problem is one of the environment.
type Problem struct {
	Text  string
	Fatal bool
}

// Backend is where callbacks go.
type Backend struct {
	URL     string // BACKEND_BASE_URL, "" when it is not set
	TraceID string
	Token   func() (string, error)
	Client  func() (*http.Client, error)
}

// Bucket is where everything else goes.
type Bucket struct {
	Name      string
	DatasetID string // "" when the job has none
	Open      func(ctx context.Context) (Store, error)
}

// Store is what doctor needs of a bucket; agent/storage's fits.
type Store interface {
	Check(ctx context.Context) error
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
	List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error]
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
	Delete(ctx context.Context, key string) error
	URI(key string) string
}

// Machine is what the training runs on.
type Machine struct {
	// Sample reads it; workspace is the folder whose disk counts.
	Sample  func(workspace string) (*contract.System, error)
	Workers int   // NUM_WORKERS
	ShmNeed int64 // bytes that they take of /dev/shm
}

// GPU is the one that the job asks for.
type GPU struct {
	Device string // DEVICE
	Node   string // the Kubernetes node, "" when it is not known
	Probe  string // the GPU probe's program
}

// Examine looks at everything, in the order in which a job meets it.
func Examine(ctx context.Context, o Options) []Finding {
	list := o.environment()
	list = append(list, o.backend(ctx)...)
	list = append(list, o.workspace())
	list = append(list, o.bucket(ctx)...)
	list = append(list, o.machine()...)
	list = append(list, isolation(o.Landlock))
	for _, reached := range o.Reachable() {
		list = append(list, inReach(reached))
	}
	return append(list, o.gpu(ctx), o.python(ctx))
}

// maxSkew is what S3 servers forgive of a clock.
const maxSkew = 15 * time.Minute

func (o Options) environment() []Finding {
	var list []Finding
	complete := true
	for _, p := range o.Problems {
		complete = complete && !p.Fatal
		f := Finding{Yellow, "environment", p.Text, "Rename it, or take it away."}
		if p.Fatal {
			f.Grade, f.Fix = Red, "Set it; trainer-agent env describes every variable."
		}
		list = append(list, f)
	}
	if complete {
		list = append(list, Finding{Green, "environment", "complete", ""})
	}
	return list
}

// backend asks for what no backend can accept, a heartbeat that is no
// JSON: what it is refused with says whether the path and the token are right.
func (o Options) backend(ctx context.Context) []Finding {
	if o.Backend.URL == "" {
		return []Finding{{Red, "backend", "no address", "Set BACKEND_BASE_URL."}}
	}
	client, err := o.Backend.Client()
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check AGENT_CA_FILE."}}
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	url := o.Backend.URL + contract.KindHeartbeat.Path(o.JobID)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("trainer-agent doctor"))
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check BACKEND_BASE_URL."}}
	}
	token, err := o.Backend.Token()
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check CALLBACK_TOKEN_FILE."}}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(contract.HeaderTraceID, o.Backend.TraceID)
	began := o.Now()
	response, err := client.Do(request)
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check BACKEND_BASE_URL, DNS, proxies and network policies."}}
	}
	defer func() { _ = response.Body.Close() }()
	list := []Finding{backendSays(response.StatusCode, o.Now().Sub(began))}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		list = append(list, clockAgainst(date, o.Now()))
	}
	return list
}

// backendSays reads the refusal.
func backendSays(status int, took time.Duration) Finding {
	text := fmt.Sprintf("answers in %s", took.Round(time.Millisecond))
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Finding{Red, "backend", fmt.Sprintf("%s, but refuses the token (HTTP %d)", text, status), "Check CALLBACK_TOKEN: it may have expired, or be another job's."}
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return Finding{Yellow, "backend", fmt.Sprintf("%s, but knows no heartbeat of this job (HTTP %d)", text, status), "Check the path in BACKEND_BASE_URL, and JOB_ID."}
	case status >= http.StatusInternalServerError:
		return Finding{Yellow, "backend", fmt.Sprintf("%s with HTTP %d", text, status), "Look at the backend. A job waits for it and loses nothing."}
	}
	return Finding{Green, "backend", text + ", takes the token", ""}
}

// slightSkew is what a slow answer and whole seconds explain.
const slightSkew = 30 * time.Second

func clockAgainst(backend, now time.Time) Finding {
	skew := now.Sub(backend).Abs()
	text := fmt.Sprintf("differs from the backend's by %s", skew.Round(time.Second))
	switch {
	case skew > maxSkew:
		return Finding{Red, "clock", text, "Set the machine's clock: the store refuses requests that are more than 15 minutes off."}
	case skew > slightSkew:
		return Finding{Yellow, "clock", text, "Let the machine keep time by NTP: the store refuses requests that are more than 15 minutes off."}
	}
	return Finding{Green, "clock", "agrees with the backend's", ""}
}

func (o Options) workspace() Finding {
	ws, err := job.NewWorkspace(o.WorkspaceDir, o.StateDir)
	if err == nil {
		err = ws.Try()
	}
	if err != nil {
		f := contract.AsFailure(err)
		return Finding{Red, "workspace", f.Message, f.Hint}
	}
	volume, err := host.Statfs(ws.Root)
	if err != nil {
		return Finding{Yellow, "workspace", err.Error(), ""}
	}
	f := Finding{Green, "workspace", fmt.Sprintf("%s is writable, %s free", ws.Root, contract.Bytes(volume.Free)), ""}
	if volume.Free < 10<<30 {
		f.Grade, f.Fix = Yellow, "Datasets and checkpoints need room: mount a larger volume at WORKSPACE_DIR."
	}
	return f
}

func (o Options) bucket(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	store, err := o.Bucket.Open(ctx)
	if err != nil {
		f := contract.AsFailure(err)
		return []Finding{{Red, "bucket", f.Message, f.Hint}}
	}
	if err := store.Check(ctx); err != nil {
		f := contract.AsFailure(err)
		return []Finding{{Red, "bucket", f.Message, f.Hint}}
	}
	list := []Finding{{Green, "bucket", o.Bucket.Name + " can be read", ""}}
	key := "jobs/" + o.JobID + "/doctor-probe"
	probe := []byte("trainer-agent doctor")
	if _, err := store.Put(ctx, key, bytes.NewReader(probe), int64(len(probe)), nil); err != nil {
		f := contract.AsFailure(err)
		list = append(list, Finding{Red, "bucket", "cannot be written to: " + f.Message, f.Hint})
	} else {
		list = append(list, Finding{Green, "bucket", "can be written to", ""})
		_ = store.Delete(ctx, key)
	}
	if o.Bucket.DatasetID == "" {
		return list
	}
	return append(list, o.dataset(ctx, store))
}

func (o Options) dataset(ctx context.Context, store Store) Finding {
	info, err := store.Stat(ctx, contract.DatasetZipKey(o.Bucket.DatasetID))
	if err == nil {
		return Finding{Green, "dataset", fmt.Sprintf("%s, %s packed", store.URI(info.Key), contract.Bytes(info.Size)), ""}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		f := contract.AsFailure(err)
		return Finding{Red, "dataset", f.Message, f.Hint}
	}
	for object, err := range store.List(ctx, contract.DatasetPrefix(o.Bucket.DatasetID)) {
		if err == nil {
			return Finding{Green, "dataset", "objects below " + store.URI(contract.DatasetPrefix(o.Bucket.DatasetID)) + ", the first is " + filepath.Base(object.Key), ""}
		}
		break
	}
	return Finding{Red, "dataset", "neither " + contract.DatasetZipKey(o.Bucket.DatasetID) + " nor objects below " + contract.DatasetPrefix(o.Bucket.DatasetID), "Check DATASET_ID and BUCKET_NAME."}
}
