package telemetry

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vision-platform/trainer-agent/contract"
)

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
	famSent      = family{"store_sent_bytes_total", "Bytes of objects sent to the store, those sent again included.", nil}
	famReceived  = family{"store_received_bytes_total", "Bytes of objects received from the store.", nil}
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

// exposition is the metrics of one snapshot. Families that nothing is known of are
// absent, so they are described by what is there (an "unchecked" collector).
type exposition []prometheus.Metric

// Describe is of prometheus.Collector.
func (exposition) Describe(chan<- *prometheus.Desc) {}

// Collect is of prometheus.Collector.
func (e exposition) Collect(to chan<- prometheus.Metric) {
	for _, m := range e {
		to <- m
	}
}

func (e *exposition) add(f family, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(f.name, "_total") {
		kind = prometheus.CounterValue
	}
	description := prometheus.NewDesc(namespace+f.name, f.help, f.labels, nil)
	m, err := prometheus.NewConstMetric(description, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(description, err) // a label that is no UTF-8: the others are told
	}
	*e = append(*e, m)
}

// serveMetrics answers one scrape. The snapshot is read here and not by the
// registry, which would ask for it in a goroutine of its own, where a panic would
// take the agent along.
func serveMetrics(w http.ResponseWriter, r *http.Request, s Snapshot) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics(s)) // the first one of a registry always fits
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
}

func metrics(s Snapshot) *exposition {
	e := &exposition{}
	e.add(famInfo, 1, contract.Version, string(s.JobType), s.Framework)
	if s.Phases.Running != "" {
		e.add(famPhase, 1, s.Phases.Running)
	}
	for phase, seconds := range s.Phases.Seconds {
		e.add(famPhaseTime, seconds, phase)
	}
	e.training(s.Training)
	e.add(famDownload, float64(s.Store.DatasetBytes))
	e.add(famStore, float64(s.Store.Retries))
	e.add(famSent, float64(s.Store.SentBytes))
	e.add(famReceived, float64(s.Store.ReceivedBytes))
	e.checkpoints(s.Checkpoints)
	e.callbacks(s.Callbacks)
	e.child(s.Child)
	e.system(s.System)
	return e
}

func (e *exposition) training(t Training) {
	if t.Progress != nil {
		e.add(famProgress, *t.Progress)
	}
	e.add(famEpoch, float64(t.Epoch))
	e.add(famEpochs, float64(t.Epochs))
	if t.PrimaryValue != nil {
		e.add(famPrimary, *t.PrimaryValue, t.PrimaryMetric)
	}
}

func (e *exposition) callbacks(c Callbacks) {
	e.add(famOutbox, float64(c.Waiting))
	e.add(famOutboxAge, c.OldestSeconds)
	e.add(famAccepted, float64(c.Accepted))
	e.add(famRetries, float64(c.Retries))
	e.add(famRejected, float64(c.Rejected))
}

func (e *exposition) child(c Child) {
	if c.CPUSeconds != nil {
		e.add(famChildCPU, *c.CPUSeconds)
	}
	if c.RSSBytes != nil {
		e.add(famChildRSS, float64(*c.RSSBytes))
	}
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
