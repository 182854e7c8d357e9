package telemetry

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Snapshot is what the metrics endpoint tells at one moment. Pointers are nil
// where nothing is known: an absent series is honest, a zero is not.
type Snapshot struct {
	Ready             bool
	JobType           contract.JobType
	Framework         string
	Phase             string             // the running one
	PhaseSeconds      map[string]float64 // of each phase so far
	Progress          *float64           // of the training, 0 to 1
	Epoch             int
	Epochs            int
	PrimaryMetric     string
	PrimaryValue      *float64
	DownloadedBytes   int64
	StoreRetries      int64
	Checkpoints       *Checkpoints // nil before anybody looks for them
	OutboxDepth       int
	OutboxOldest      float64 // seconds
	CallbacksAccepted int64
	CallbackRetries   int64
	CallbacksRejected int64
	ChildCPUSeconds   *float64
	ChildRSSBytes     *int64
	System            *contract.System
}

// Checkpoints are the figures of the uploads.
type Checkpoints struct {
	Bytes    int64
	Failures int64
	Waiting  int
	Last     time.Time     // of the last upload's end; zero before the first
	Lag      time.Duration // of that one, from the last writing to its file
}

// namespace begins every name.
const namespace = "trainer_agent_"

// family is one metric with its help. Units stand in the names; counters end in
// _total; labels are bounded: phases are ours, GPUs are those of one machine.
type family struct {
	name, help string
	labels     []string
}

var (
	famInfo      = family{"info", "What this agent is and does; always 1.", []string{"version", "job_type", "framework"}}
	famPhase     = family{"phase", "1 for the phase that is running.", []string{"phase"}}
	famPhaseTime = family{"phase_duration_seconds", "Time spent in each phase.", []string{"phase"}}
	famProgress  = family{"progress_ratio", "Progress of the training, 0 to 1, as it says itself.", nil}
	famEpoch     = family{"epoch", "Completed epochs.", nil}
	famEpochs    = family{"epochs", "Epochs that the job asks for.", nil}
	famPrimary   = family{"primary_metric", "Latest value of the primary metric.", []string{"metric"}}
	famDownload  = family{"dataset_read_bytes_total", "Dataset bytes read from the store.", nil}
	famStore     = family{"store_retries_total", "Requests to the object store that were tried again.", nil}
	famUpload    = family{"checkpoint_uploaded_bytes_total", "Checkpoint bytes written to the store.", nil}
	famUploadBad = family{"checkpoint_upload_failures_total", "Uploads of a checkpoint that failed and are tried again.", nil}
	famQueue     = family{"checkpoints_waiting", "Complete checkpoints that are not in the store.", nil}
	famLag       = family{"checkpoint_lag_seconds", "From the last writing to the last uploaded checkpoint to its object.", nil}
	famLast      = family{"checkpoint_last_upload_timestamp_seconds", "When the last upload of a checkpoint was complete.", nil}
	famOutbox    = family{"outbox_messages", "Callbacks accepted and not yet delivered.", nil}
	famOutboxAge = family{"outbox_oldest_seconds", "Age of the oldest of them.", nil}
	famAccepted  = family{"callbacks_accepted_total", "Callbacks accepted into the outbox.", nil}
	famRetries   = family{"callback_retries_total", "Deliveries tried again.", nil}
	famRejected  = family{"callbacks_rejected_total", "Callbacks that the backend refused.", nil}
	famChildCPU  = family{"child_cpu_seconds_total", "Processor time of the training process and its descendants.", nil}
	famChildRSS  = family{"child_resident_memory_bytes", "Resident memory of the training process and its descendants.", nil}
	famMemory    = family{"container_memory_used_bytes", "Memory of the container.", nil}
	famMemLimit  = family{"container_memory_limit_bytes", "Memory limit of the container.", nil}
	famDiskUsed  = family{"workspace_used_bytes", "Used bytes of the workspace's file system.", nil}
	famDiskTotal = family{"workspace_size_bytes", "Size of the workspace's file system.", nil}
	famShm       = family{"shm_used_bytes", "Used bytes of /dev/shm.", nil}
	famGPUUtil   = family{"gpu_utilization_ratio", "Utilization of a GPU, 0 to 1.", []string{"gpu"}}
	famGPUMemory = family{"gpu_memory_used_bytes", "Used memory of a GPU.", []string{"gpu"}}
	famGPUTotal  = family{"gpu_memory_size_bytes", "Memory of a GPU.", []string{"gpu"}}
	famGPUTemp   = family{"gpu_temperature_celsius", "Temperature of a GPU.", []string{"gpu"}}
	famGPUPower  = family{"gpu_power_watts", "Power draw of a GPU.", []string{"gpu"}}
)

// exposition is the text format 0.0.4 of Prometheus, one scrape of it. It is
// written here because the client library with its protobuf runtime is a tenth
// of the agent's size; the tests read it back with that library.
type exposition struct {
	samples map[string][]string // by family
	known   []family
}

func (e *exposition) add(f family, v float64, labels ...string) {
	if _, ok := e.samples[f.name]; !ok {
		e.known = append(e.known, f)
	}
	line := namespace + f.name
	if len(labels) > 0 {
		pairs := make([]string, len(labels))
		for i, l := range labels {
			pairs[i] = f.labels[i] + `="` + labelEscapes.Replace(l) + `"`
		}
		line += "{" + strings.Join(pairs, ",") + "}"
	}
	e.samples[f.name] = append(e.samples[f.name], line+" "+strconv.FormatFloat(v, 'g', -1, 64))
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (e *exposition) write(w io.Writer) error {
	slices.SortFunc(e.known, func(a, b family) int { return cmp.Compare(a.name, b.name) })
	for _, f := range e.known {
		kind := "gauge"
		if strings.HasSuffix(f.name, "_total") {
			kind = "counter"
		}
		lines := e.samples[f.name]
		slices.Sort(lines)
		if _, err := fmt.Fprintf(w, "# HELP %[1]s %[2]s\n# TYPE %[1]s %[3]s\n%[4]s\n", namespace+f.name, f.help, kind, strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// writeMetrics writes one scrape.
func writeMetrics(w io.Writer, s Snapshot) error {
	e := &exposition{samples: map[string][]string{}}
	e.add(famInfo, 1, contract.Version, string(s.JobType), s.Framework)
	if s.Phase != "" {
		e.add(famPhase, 1, s.Phase)
	}
	for phase, seconds := range s.PhaseSeconds {
		e.add(famPhaseTime, seconds, phase)
	}
	if s.Progress != nil {
		e.add(famProgress, *s.Progress)
	}
	e.add(famEpoch, float64(s.Epoch))
	e.add(famEpochs, float64(s.Epochs))
	if s.PrimaryValue != nil {
		e.add(famPrimary, *s.PrimaryValue, s.PrimaryMetric)
	}
	e.add(famDownload, float64(s.DownloadedBytes))
	e.add(famStore, float64(s.StoreRetries))
	e.checkpoints(s.Checkpoints)
	e.add(famOutbox, float64(s.OutboxDepth))
	e.add(famOutboxAge, s.OutboxOldest)
	e.add(famAccepted, float64(s.CallbacksAccepted))
	e.add(famRetries, float64(s.CallbackRetries))
	e.add(famRejected, float64(s.CallbacksRejected))
	if s.ChildCPUSeconds != nil {
		e.add(famChildCPU, *s.ChildCPUSeconds)
	}
	if s.ChildRSSBytes != nil {
		e.add(famChildRSS, float64(*s.ChildRSSBytes))
	}
	e.system(s.System)
	return e.write(w)
}

func (e *exposition) checkpoints(c *Checkpoints) {
	if c == nil {
		return
	}
	e.add(famUpload, float64(c.Bytes))
	e.add(famUploadBad, float64(c.Failures))
	e.add(famQueue, float64(c.Waiting))
	if !c.Last.IsZero() {
		e.add(famLag, c.Lag.Seconds())
		e.add(famLast, float64(c.Last.UnixMilli())/1000)
	}
}

func (e *exposition) system(s *contract.System) {
	if s == nil {
		return
	}
	if s.Memory != nil {
		e.add(famMemory, float64(s.Memory.UsedBytes))
		if s.Memory.LimitBytes > 0 {
			e.add(famMemLimit, float64(s.Memory.LimitBytes))
		}
	}
	if s.Disk != nil {
		e.add(famDiskUsed, float64(s.Disk.UsedBytes))
		e.add(famDiskTotal, float64(s.Disk.TotalBytes))
	}
	if s.Shm != nil {
		e.add(famShm, float64(s.Shm.UsedBytes))
	}
	for _, g := range s.GPUs {
		known := func(f family, n *contract.Number, scale float64) {
			if n != nil {
				e.add(f, float64(*n)*scale, g.UUID)
			}
		}
		known(famGPUUtil, g.UtilPercent, 0.01)
		known(famGPUTemp, g.TempC, 1)
		known(famGPUPower, g.PowerW, 1)
		if g.MemUsedBytes != nil {
			e.add(famGPUMemory, float64(*g.MemUsedBytes), g.UUID)
		}
		if g.MemTotalBytes != nil {
			e.add(famGPUTotal, float64(*g.MemTotalBytes), g.UUID)
		}
	}
}
