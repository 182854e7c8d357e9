package contract

// Manifest is checkpoints/job-{job}/manifest.json: the complete checkpoints of a
// job. It is written after the files that it names, so a reader who finds a
// name here finds the object too.
type Manifest struct {
	JobID     string           `json:"job_id"`
	Updated   Timestamp        `json:"updated"`
	Files     []ManifestFile   `json:"files"`
	Failed    []ManifestFailed `json:"failed,omitempty"` // seen on disk, not in the bucket
	BestEpoch int              `json:"best_epoch,omitempty"`
	LastEpoch int              `json:"last_epoch,omitempty"`
	History   []EpochMetrics   `json:"history,omitempty"` // by epoch, ascending; what a resumed run continues
}

// EpochMetrics are the metrics that were reported for one completed epoch.
type EpochMetrics struct {
	Epoch   int       `json:"epoch"` // 1-based
	Metrics Metrics   `json:"metrics"`
	Time    Timestamp `json:"time"` // of the first report of the epoch
}

// ManifestFile is one object below the checkpoint prefix.
type ManifestFile struct {
	Name      string    `json:"name"` // relative to the checkpoint prefix, with slashes
	SizeBytes int64     `json:"size_bytes"`
	SHA256    string    `json:"sha256"` // hex
	Epoch     int       `json:"epoch,omitempty"`
	Metrics   Metrics   `json:"metrics,omitempty"`
	IsBest    bool      `json:"is_best,omitempty"`
	Time      Timestamp `json:"time"`
	Source    string    `json:"source,omitempty"` // path relative to OUTPUT_DIR
}

// ManifestFailed is a file that could not be uploaded.
type ManifestFailed struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Result is jobs/{job}/result.json and the termination message: the whole
// outcome of one run of the agent.
type Result struct {
	JobID          string             `json:"job_id"`
	TraceID        string             `json:"trace_id"`
	Status         Status             `json:"status"`
	ExitCode       int                `json:"exit_code"`                 // of the agent
	ChildExitCode  *int               `json:"child_exit_code,omitempty"` // absent when no child ran
	Error          *Failure           `json:"error,omitempty"`
	FinalMetrics   Metrics            `json:"final_metrics,omitempty"`
	CheckpointPath *string            `json:"checkpoint_path,omitempty"`
	Artifacts      []Artifact         `json:"artifacts,omitempty"`
	NotUploaded    []ManifestFailed   `json:"not_uploaded,omitempty"`
	NotDelivered   int                `json:"not_delivered,omitempty"` // callbacks left in the outbox
	Rejected       int                `json:"rejected,omitempty"`      // callbacks that the backend refused
	Warnings       []string           `json:"warnings,omitempty"`
	PhaseSeconds   map[string]float64 `json:"phase_seconds,omitempty"`
	Started        Timestamp          `json:"started"`
	Finished       Timestamp          `json:"finished"`
}
