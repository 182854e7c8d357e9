package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/storage"
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

// maxSkew is what S3 servers forgive of a clock.
const maxSkew = 15 * time.Minute

// Doctor tries everything that the job will need, and changes nothing but one
// small object that it removes again. The backend sees one callback that it
// must refuse.
func Doctor(ctx context.Context, o Options) []Finding {
	j := newJob(o)
	list := j.examineEnvironment()
	list = append(list, j.examineBackend(ctx)...)
	list = append(list, j.examineWorkspace())
	list = append(list, j.examineBucket(ctx)...)
	list = append(list, j.examineMachine()...)
	return append(list, j.examineGPU(ctx), j.examinePython(ctx))
}

func (j *job) examineEnvironment() []Finding {
	var list []Finding
	for _, p := range j.Problems {
		f := Finding{Red, "environment", p.String(), "Set it; trainer-agent env describes every variable."}
		if p.Warning {
			f.Grade, f.Fix = Yellow, "Rename it, or take it away."
		}
		list = append(list, f)
	}
	if config.Failure(j.Problems) == nil {
		list = append(list, Finding{Green, "environment", "complete", ""})
	}
	return list
}

// examineBackend asks for what no backend can accept, a heartbeat that is no
// JSON: what it is refused with says whether the path and the token are right.
func (j *job) examineBackend(ctx context.Context) []Finding {
	if j.cfg.BaseURL == "" {
		return []Finding{{Red, "backend", "no address", "Set BACKEND_BASE_URL."}}
	}
	client, err := storage.HTTPClient(storage.Config{CAFile: j.cfg.CAFile, Getenv: j.getenv})
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check AGENT_CA_FILE."}}
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	url := string(j.cfg.BaseURL) + contract.KindHeartbeat.Path(j.cfg.JobID)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("trainer-agent doctor"))
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check BACKEND_BASE_URL."}}
	}
	token, err := j.token()
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check CALLBACK_TOKEN_FILE."}}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(contract.HeaderTraceID, j.cfg.TraceID)
	began := j.Now()
	response, err := client.Do(request)
	if err != nil {
		return []Finding{{Red, "backend", err.Error(), "Check BACKEND_BASE_URL, DNS, proxies and network policies."}}
	}
	defer func() { _ = response.Body.Close() }()
	list := []Finding{backendSays(response.StatusCode, j.Now().Sub(began))}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		list = append(list, clockAgainst(date, j.Now()))
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

func (j *job) examineWorkspace() Finding {
	ws, err := newWorkspace(j.cfg.WorkspaceDir)
	if err == nil {
		err = ws.try()
	}
	if err != nil {
		f := contract.AsFailure(err)
		return Finding{Red, "workspace", f.Message, f.Hint}
	}
	j.ws = ws
	var st unix.Statfs_t
	if err := unix.Statfs(ws.root, &st); err != nil {
		return Finding{Yellow, "workspace", err.Error(), ""}
	}
	free := int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // other types on darwin
	f := Finding{Green, "workspace", fmt.Sprintf("%s is writable, %s free", ws.root, contract.Bytes(free)), ""}
	if free < 10<<30 {
		f.Grade, f.Fix = Yellow, "Datasets and checkpoints need room: mount a larger volume at WORKSPACE_DIR."
	}
	return f
}

func (j *job) examineBucket(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := j.openStore(ctx); err != nil {
		f := contract.AsFailure(err)
		return []Finding{{Red, "bucket", f.Message, f.Hint}}
	}
	if err := j.store.Check(ctx); err != nil {
		f := contract.AsFailure(err)
		return []Finding{{Red, "bucket", f.Message, f.Hint}}
	}
	list := []Finding{{Green, "bucket", j.cfg.BucketName + " can be read", ""}}
	key := "jobs/" + j.cfg.JobID + "/doctor-probe"
	probe := []byte("trainer-agent doctor")
	if _, err := j.store.Put(ctx, key, bytes.NewReader(probe), int64(len(probe)), nil); err != nil {
		f := contract.AsFailure(err)
		list = append(list, Finding{Red, "bucket", "cannot be written to: " + f.Message, f.Hint})
	} else {
		list = append(list, Finding{Green, "bucket", "can be written to", ""})
		_ = j.store.Delete(ctx, key)
	}
	if j.cfg.DatasetID == "" {
		return list
	}
	return append(list, j.examineDataset(ctx))
}

func (j *job) examineDataset(ctx context.Context) Finding {
	info, err := j.store.Stat(ctx, contract.DatasetZipKey(j.cfg.DatasetID))
	if err == nil {
		return Finding{Green, "dataset", fmt.Sprintf("%s, %s packed", j.store.URI(info.Key), contract.Bytes(info.Size)), ""}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		f := contract.AsFailure(err)
		return Finding{Red, "dataset", f.Message, f.Hint}
	}
	for object, err := range j.store.List(ctx, contract.DatasetPrefix(j.cfg.DatasetID)) {
		if err == nil {
			return Finding{Green, "dataset", "objects below " + j.store.URI(contract.DatasetPrefix(j.cfg.DatasetID)) + ", the first is " + filepath.Base(object.Key), ""}
		}
		break
	}
	return Finding{Red, "dataset", "neither " + contract.DatasetZipKey(j.cfg.DatasetID) + " nor objects below " + contract.DatasetPrefix(j.cfg.DatasetID), "Check DATASET_ID and BUCKET_NAME."}
}
