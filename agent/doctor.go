package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/system"
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
// small object that it removes again.
func Doctor(ctx context.Context, o Options) []Finding {
	j := newJob(o)
	list := j.examineEnvironment()
	list = append(list, j.examineBackend(ctx), j.examineWorkspace())
	list = append(list, j.examineBucket(ctx)...)
	list = append(list, j.examineMachine()...)
	return append(list, j.examineGPU(), j.examinePython(ctx))
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

func (j *job) examineBackend(ctx context.Context) Finding {
	if j.cfg.BaseURL == "" {
		return Finding{Red, "backend", "no address", "Set BACKEND_BASE_URL."}
	}
	client, err := storage.HTTPClient(storage.Config{CAFile: j.cfg.CAFile, Getenv: j.getenv})
	if err != nil {
		return Finding{Red, "backend", err.Error(), "Check AGENT_CA_FILE."}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(j.cfg.BaseURL), nil)
	if err != nil {
		return Finding{Red, "backend", err.Error(), "Check BACKEND_BASE_URL."}
	}
	began := j.Now()
	response, err := client.Do(request)
	if err != nil {
		return Finding{Red, "backend", err.Error(), "Check BACKEND_BASE_URL, DNS, proxies and network policies."}
	}
	defer func() { _ = response.Body.Close() }()
	text := fmt.Sprintf("answers in %s", j.Now().Sub(began).Round(time.Millisecond))
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return Finding{Green, "backend", text, ""}
	}
	if skew := j.Now().Sub(date).Abs(); skew > maxSkew {
		return Finding{Red, "clock", fmt.Sprintf("differs from the backend's by %s", skew.Round(time.Second)), "Set the machine's clock: the store refuses requests that are more than 15 minutes off."}
	}
	return Finding{Green, "backend", text + ", clocks agree", ""}
}

func (j *job) examineWorkspace() Finding {
	ws, err := newWorkspace(j.cfg.WorkspaceDir)
	if err == nil {
		err = ws.open()
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

func (j *job) examineMachine() []Finding {
	workspace := j.ws.root
	if workspace == "" {
		workspace = os.TempDir()
	}
	sampler, err := system.New(system.Options{Workspace: workspace})
	if err != nil {
		return []Finding{{Yellow, "machine", err.Error(), ""}}
	}
	s := sampler.Sample()
	var list []Finding
	if m := s.Memory; m != nil {
		text := contract.Bytes(m.UsedBytes) + " of memory in use, no limit"
		if m.LimitBytes > 0 {
			text = contract.Bytes(m.UsedBytes) + " of memory in use, limit " + contract.Bytes(m.LimitBytes)
		}
		list = append(list, Finding{Green, "memory", text, ""})
	}
	if s.Shm != nil {
		f := Finding{Green, "shm", "/dev/shm has " + contract.Bytes(s.Shm.TotalBytes), ""}
		if need := system.ShmNeed(j.cfg.Framework, j.cfg.NumWorkers, j.cfg.BatchSize, j.cfg.ImageSize); need > s.Shm.TotalBytes {
			f = Finding{Red, "shm", fmt.Sprintf("/dev/shm has %s, %d workers need about %s", contract.Bytes(s.Shm.TotalBytes), j.cfg.NumWorkers, contract.Bytes(need)),
				"Mount a memory-backed volume at /dev/shm, or use fewer workers."}
		}
		list = append(list, f)
	}
	limits := system.LimitsOf("/", os.Getpid())
	f := Finding{Green, "limits", fmt.Sprintf("%d open files, %d processes", limits.OpenFiles, limits.Processes), ""}
	if limits.OpenFiles > 0 && limits.OpenFiles < 4096 {
		f.Grade, f.Fix = Yellow, "Raise the limit of open files (ulimit -n) to 4096 or more: data loaders run out of them."
	}
	return append(list, f)
}

func (j *job) examineGPU() Finding {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		f := Finding{Green, "gpu", "none is visible", ""}
		if strings.HasPrefix(j.cfg.Device, "cuda") {
			f = Finding{Red, "gpu", "none is visible, and DEVICE is " + j.cfg.Device, "Ask for a GPU (nvidia.com/gpu in the pod's limits, --gpus with docker), or set DEVICE=cpu."}
		}
		return f
	}
	if probe := findProbe(j.cfg.GPUProbe); !filepath.IsAbs(probe) {
		return Finding{Yellow, "gpu", "a GPU is visible, but the probe " + probe + " is not here", "Copy trainer-gpu beside trainer-agent: without it nobody watches the GPU's health."}
	}
	return Finding{Green, "gpu", "visible, and the probe is here", ""}
}

// frameworkVersions asks Python itself what is installed; it imports none of it.
const frameworkVersions = `import sys, importlib.metadata as m
def v(n):
    try: return n + " " + m.version(n)
    except m.PackageNotFoundError: return ""
print("Python " + sys.version.split()[0], *filter(None, map(v, ("torch", "ultralytics", "timm", "transformers"))), sep=", ")`

func (j *job) examinePython(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, name := range []string{"python", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "-c", frameworkVersions).Output()
		if err != nil {
			return Finding{Red, "python", path + " does not run: " + err.Error(), "Mend the image's Python."}
		}
		return Finding{Green, "python", path + ": " + strings.TrimSpace(string(out)), ""}
	}
	return Finding{Yellow, "python", "not in PATH", "A trainer that is not Python needs none; others do."}
}
