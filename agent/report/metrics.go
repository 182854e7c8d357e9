package report

import (
	"github.com/prometheus/client_golang/prometheus"

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
	Epoch             int
	Epochs            int
	PrimaryMetric     string
	PrimaryValue      *float64
	DownloadedBytes   int64
	UploadedBytes     int64
	UploadsQueued     int
	CheckpointLag     *float64 // seconds from a file's completion to its object, the last one
	OutboxDepth       int
	OutboxOldest      float64 // seconds
	CallbacksAccepted int64
	CallbackRetries   int64
	CallbacksRejected int64
	ChildCPUSeconds   *float64
	ChildRSSBytes     *int64
	System            *contract.System
}

// collector reads a Snapshot at every scrape, so nothing has to be kept in step.
type collector struct{ read func() Snapshot }

const namespace = "trainer_agent_"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

// Units stand in the names; counters end in _total; labels are bounded: phases
// are ours, GPUs are those of one machine.
var (
	descInfo       = desc("info", "What this agent is and does; always 1.", "version", "job_type", "framework")
	descPhase      = desc("phase", "1 for the phase that is running.", "phase")
	descPhaseTime  = desc("phase_duration_seconds", "Time spent in each phase.", "phase")
	descEpoch      = desc("epoch", "Completed epochs.")
	descEpochs     = desc("epochs", "Epochs that the job asks for.")
	descPrimary    = desc("primary_metric", "Latest value of the primary metric.", "metric")
	descDownload   = desc("dataset_read_bytes_total", "Dataset bytes read from the store.")
	descUpload     = desc("checkpoint_uploaded_bytes_total", "Checkpoint bytes written to the store.")
	descQueue      = desc("checkpoint_uploads_queued", "Checkpoints waiting for their upload.")
	descLag        = desc("checkpoint_lag_seconds", "From the completion of the last checkpoint to its object.")
	descOutbox     = desc("outbox_messages", "Callbacks accepted and not yet delivered.")
	descOutboxAge  = desc("outbox_oldest_seconds", "Age of the oldest of them.")
	descAccepted   = desc("callbacks_accepted_total", "Callbacks accepted into the outbox.")
	descRetries    = desc("callback_retries_total", "Deliveries tried again.")
	descRejected   = desc("callbacks_rejected_total", "Callbacks that the backend refused.")
	descChildCPU   = desc("child_cpu_seconds_total", "Processor time of the training process and its descendants.")
	descChildRSS   = desc("child_resident_memory_bytes", "Resident memory of the training process and its descendants.")
	descMemory     = desc("container_memory_used_bytes", "Memory of the container.")
	descMemLimit   = desc("container_memory_limit_bytes", "Memory limit of the container.")
	descDiskUsed   = desc("workspace_used_bytes", "Used bytes of the workspace's file system.")
	descDiskTotal  = desc("workspace_size_bytes", "Size of the workspace's file system.")
	descShm        = desc("shm_used_bytes", "Used bytes of /dev/shm.")
	descGPUUtil    = desc("gpu_utilization_ratio", "Utilization of a GPU, 0 to 1.", "gpu")
	descGPUMemory  = desc("gpu_memory_used_bytes", "Used memory of a GPU.", "gpu")
	descGPUTotal   = desc("gpu_memory_size_bytes", "Memory of a GPU.", "gpu")
	descGPUTemp    = desc("gpu_temperature_celsius", "Temperature of a GPU.", "gpu")
	descGPUPower   = desc("gpu_power_watts", "Power draw of a GPU.", "gpu")
	allDescriptors = []*prometheus.Desc{
		descInfo, descPhase, descPhaseTime, descEpoch, descEpochs, descPrimary, descDownload, descUpload, descQueue, descLag,
		descOutbox, descOutboxAge, descAccepted, descRetries, descRejected, descChildCPU, descChildRSS, descMemory, descMemLimit,
		descDiskUsed, descDiskTotal, descShm, descGPUUtil, descGPUMemory, descGPUTotal, descGPUTemp, descGPUPower,
	}
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range allDescriptors {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.read()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}

	gauge(descInfo, 1, contract.Version, string(s.JobType), s.Framework)
	if s.Phase != "" {
		gauge(descPhase, 1, s.Phase)
	}
	for phase, seconds := range s.PhaseSeconds {
		gauge(descPhaseTime, seconds, phase)
	}
	gauge(descEpoch, float64(s.Epoch))
	gauge(descEpochs, float64(s.Epochs))
	if s.PrimaryValue != nil {
		gauge(descPrimary, *s.PrimaryValue, s.PrimaryMetric)
	}
	counter(descDownload, float64(s.DownloadedBytes))
	counter(descUpload, float64(s.UploadedBytes))
	gauge(descQueue, float64(s.UploadsQueued))
	if s.CheckpointLag != nil {
		gauge(descLag, *s.CheckpointLag)
	}
	gauge(descOutbox, float64(s.OutboxDepth))
	gauge(descOutboxAge, s.OutboxOldest)
	counter(descAccepted, float64(s.CallbacksAccepted))
	counter(descRetries, float64(s.CallbackRetries))
	counter(descRejected, float64(s.CallbacksRejected))
	if s.ChildCPUSeconds != nil {
		counter(descChildCPU, *s.ChildCPUSeconds)
	}
	if s.ChildRSSBytes != nil {
		gauge(descChildRSS, float64(*s.ChildRSSBytes))
	}
	collectSystem(s.System, gauge)
}

func collectSystem(s *contract.System, gauge func(*prometheus.Desc, float64, ...string)) {
	if s == nil {
		return
	}
	if s.Memory != nil {
		gauge(descMemory, float64(s.Memory.UsedBytes))
		if s.Memory.LimitBytes > 0 {
			gauge(descMemLimit, float64(s.Memory.LimitBytes))
		}
	}
	if s.Disk != nil {
		gauge(descDiskUsed, float64(s.Disk.UsedBytes))
		gauge(descDiskTotal, float64(s.Disk.TotalBytes))
	}
	if s.Shm != nil {
		gauge(descShm, float64(s.Shm.UsedBytes))
	}
	for _, g := range s.GPUs {
		known := func(d *prometheus.Desc, n *contract.Number, scale float64) {
			if n != nil {
				gauge(d, float64(*n)*scale, g.UUID)
			}
		}
		known(descGPUUtil, g.UtilPercent, 0.01)
		known(descGPUTemp, g.TempC, 1)
		known(descGPUPower, g.PowerW, 1)
		if g.MemUsedBytes != nil {
			gauge(descGPUMemory, float64(*g.MemUsedBytes), g.UUID)
		}
		if g.MemTotalBytes != nil {
			gauge(descGPUTotal, float64(*g.MemTotalBytes), g.UUID)
		}
	}
}
