package contract

// ProbeLineType names a line that trainer-gpu prints.
type ProbeLineType string

// The lines of the probe, one JSON object each. Readers ignore unknown keys and
// unknown types.
const (
	ProbeHello  ProbeLineType = "hello"  // once, after the driver was initialised
	ProbeSample ProbeLineType = "sample" // every period
	ProbeEvent  ProbeLineType = "event"  // an XID
	ProbeBusy   ProbeLineType = "busy"   // a driver call has not returned for a second or more
	ProbeError  ProbeLineType = "error"  // a driver call failed in a way that matters
	ProbeFatal  ProbeLineType = "fatal"  // the probe ends with ProbeExitFatal
)

// ProbeExitFatal is the exit code of the probe after a fatal line.
const ProbeExitFatal = 3

// Return codes of NVML that have a meaning of their own; see nvml.h.
const (
	NVMLNoPermission    = 4
	NVMLDriverNotLoaded = 9
	NVMLLibraryNotFound = 12
	NVMLGPULost         = 15
	NVMLResetRequired   = 16
	NVMLUnknown         = 999 // also: the container lost its access to the device
)

// ProbeLine is any line of the probe; the type decides which fields it has.
type ProbeLine struct {
	Type   ProbeLineType `json:"type"`
	Driver string        `json:"driver,omitempty"`
	NVML   string        `json:"nvml,omitempty"`
	GPUs   []ProbeGPU    `json:"gpus,omitempty"`
	Count  *int          `json:"count,omitempty"` // devices that the driver lists now

	Index *int   `json:"index,omitempty"`
	UUID  string `json:"uuid,omitempty"`
	XID   int    `json:"xid,omitempty"`
	Data  uint64 `json:"data,omitempty"`

	Call   string `json:"call,omitempty"`
	Ret    int    `json:"ret,omitempty"`
	ForMs  int64  `json:"for_ms,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ProbeGPU is one device: who it is in a hello, how it is in a sample. What the
// driver does not tell is absent.
type ProbeGPU struct {
	Index         int      `json:"index"`
	UUID          string   `json:"uuid"`
	Minor         *int     `json:"minor,omitempty"` // of /dev/nvidia{minor}
	BusID         string   `json:"bus_id,omitempty"`
	Name          string   `json:"name,omitempty"`
	MIG           bool     `json:"mig,omitempty"` // an instance of a partitioned GPU
	MemTotal      *int64   `json:"mem_total,omitempty"`
	TempSlowdownC *float64 `json:"temp_slowdown_c,omitempty"`

	Util     *float64 `json:"util,omitempty"` // percent
	MemUsed  *int64   `json:"mem_used,omitempty"`
	TempC    *float64 `json:"temp_c,omitempty"`
	MemTempC *float64 `json:"mem_temp_c,omitempty"`
	PowerW   *float64 `json:"power_w,omitempty"`
	SMClock  *float64 `json:"sm_clock_mhz,omitempty"`
	Throttle *uint64  `json:"throttle,omitempty"` // nvmlClocksEventReason* bits

	ECCUncorrected *int64 `json:"ecc_uncorrected,omitempty"` // since the driver was loaded
	ECCCorrected   *int64 `json:"ecc_corrected,omitempty"`
	RemapPending   *bool  `json:"remap_pending,omitempty"`
	RemapFailed    *bool  `json:"remap_failed,omitempty"`
	PCIeReplay     *int64 `json:"pcie_replay,omitempty"`
	NVLinkCRC      *int64 `json:"nvlink_crc,omitempty"`
	NVLinkRecovery *int64 `json:"nvlink_recovery,omitempty"`
	RecoveryAction *int64 `json:"recovery_action,omitempty"` // 0 none, 1 reset, 2 reboot, 3 drain P2P, 4 drain and reset
}
