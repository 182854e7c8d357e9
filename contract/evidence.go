package contract

import "time"

// SystemEvidence is what the container's own accounts say about one run of the
// child. A counter that could not be read is absent, which means "not known"
// and never "no".
type SystemEvidence struct {
	OOMKills    *int64         `json:"oom_kills,omitempty"`          // processes killed by the kernel for memory since the start
	MemoryPeak  int64          `json:"memory_peak,omitempty"`        // bytes, page cache that can be dropped not counted; 0 = not known
	KernelPeak  int64          `json:"kernel_memory_peak,omitempty"` // bytes, the kernel's own count, page cache included; 0 = not known
	MemoryLimit int64          `json:"memory_limit,omitempty"`       // bytes; 0 = no limit, or not known
	Shm         VolumeEvidence `json:"shm"`                          // /dev/shm
	Disk        VolumeEvidence `json:"disk"`                         // the workspace
	Tmp         VolumeEvidence `json:"tmp"`                          // /tmp, when it is another file system than the workspace
}

// VolumeEvidence is the account of one file system since the start.
type VolumeEvidence struct {
	Path          string `json:"path,omitempty"`
	TotalBytes    int64  `json:"total_bytes,omitempty"` // 0 = not known
	PeakBytes     int64  `json:"peak_bytes,omitempty"`  // most that was used in any sample
	MinFreeBytes  int64  `json:"min_free_bytes"`        // least that was free in any sample
	MinFreeInodes *int64 `json:"min_free_inodes,omitempty"`
}

// Known reports whether the file system could be read at all.
func (v VolumeEvidence) Known() bool { return v.TotalBytes > 0 }

// GPUFaultKind names what is wrong with a GPU.
type GPUFaultKind string

// Faults that end in gpu_error, then the ones that end in gpu_warning.
const (
	GPULost        GPUFaultKind = "lost"         // a call says "GPU is lost", or XID 79
	GPUNeedsReset  GPUFaultKind = "needs_reset"  // recovery action of the driver, or a reset-class XID
	GPUECC         GPUFaultKind = "ecc"          // uncorrectable memory errors grew
	GPURemapFailed GPUFaultKind = "remap_failed" // a bad memory row could not be replaced
	GPUMissing     GPUFaultKind = "missing"      // fewer GPUs than at start
	GPUMachine     GPUFaultKind = "machine"      // an XID of the whole machine
	GPUDriver      GPUFaultKind = "driver"       // the driver does not answer
	GPUContained   GPUFaultKind = "contained"    // XID 94: this job's memory is damaged, the GPU goes on

	GPURemapPending GPUFaultKind = "remap_pending"
	GPUNVLink       GPUFaultKind = "nvlink"
	GPUHot          GPUFaultKind = "hot"
	GPUPowerBrake   GPUFaultKind = "power_brake"
	GPUMemoryFull   GPUFaultKind = "memory_full"
	GPUMemoryInUse  GPUFaultKind = "memory_in_use" // used before the child started
	GPUAccessLost   GPUFaultKind = "access_lost"   // NVML error 999 while training goes on
	GPUXID          GPUFaultKind = "xid"           // an XID of a warn or application class
	GPUProbe        GPUFaultKind = "probe"         // the probe itself keeps failing
)

// GPUFault is one thing seen on a GPU.
type GPUFault struct {
	Kind    GPUFaultKind `json:"kind"`
	UUID    string       `json:"uuid,omitempty"`
	Index   int          `json:"index"` // -1 when it is not about one GPU
	XID     int          `json:"xid,omitempty"`
	Fatal   bool         `json:"fatal"` // an error, not a warning
	Message string       `json:"message"`
	Time    time.Time    `json:"time"`
	Count   int          `json:"count"` // times seen since the last event of this kind
	// Processes of this job that held the GPU open when that was last looked at.
	Processes []int `json:"processes,omitempty"`
}

// GPUEvidence is what the probe saw during one run of the child.
type GPUEvidence struct {
	Watched    bool       `json:"watched"` // false: no probe ran, so nothing below is known
	Reason     string     `json:"reason,omitempty"`
	Faults     []GPUFault `json:"faults,omitempty"`              // oldest first, bounded
	MemoryPeak float64    `json:"memory_peak_percent,omitempty"` // of the fullest GPU; 0 = not known
}

// NodeEvidence is what one machine of a job on several machines knows of another.
type NodeEvidence struct {
	Rank    int      `json:"rank"`
	Host    string   `json:"host,omitempty"`    // its own name for itself; empty when it never came
	Absent  bool     `json:"absent,omitempty"`  // it never came
	Crowded bool     `json:"crowded,omitempty"` // it never came, and strangers crowded node 0's port
	Lost    bool     `json:"lost,omitempty"`    // it came, and gave no sign of life for too long
	Failure *Failure `json:"failure,omitempty"` // what it said of its own end; nil while it runs, or when it ended well
}
