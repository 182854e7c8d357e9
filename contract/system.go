package contract

// System is what the agent measures on the machine. A value that cannot be read
// is absent, never zero.
type System struct {
	GPUs   []GPU   `json:"gpus,omitempty"`
	CPU    *CPU    `json:"cpu,omitempty"`
	Memory *Memory `json:"memory,omitempty"`
	Disk   *Disk   `json:"disk,omitempty"`
	Shm    *Disk   `json:"shm,omitempty"`
}

// CPU is the use of processors by the container since the last heartbeat.
type CPU struct {
	UtilPercent Number  `json:"util_percent"` // 100 = one core
	Limit       Number  `json:"limit_cores"`  // cores that the cgroup or the machine allows
	PressureAvg *Number `json:"pressure_avg10,omitempty"`
}

// Memory is the container's memory against its limit.
type Memory struct {
	UsedBytes   int64   `json:"used_bytes"`
	LimitBytes  int64   `json:"limit_bytes,omitempty"`
	PeakBytes   int64   `json:"peak_bytes,omitempty"`
	OOMKills    *int64  `json:"oom_kills,omitempty"`
	PressureAvg *Number `json:"pressure_avg10,omitempty"`
}

// Disk is the use of one file system.
type Disk struct {
	Path       string `json:"path"`
	UsedBytes  int64  `json:"used_bytes"`
	TotalBytes int64  `json:"total_bytes"`
	PeakBytes  int64  `json:"peak_bytes,omitempty"`
}

// GPU is one device's state: means and maxima since the last heartbeat.
type GPU struct {
	UUID           string   `json:"uuid"`
	Index          int      `json:"index"`
	Name           string   `json:"name,omitempty"`
	UtilPercent    *Number  `json:"util_percent,omitempty"`
	MemUsedBytes   *int64   `json:"mem_used_bytes,omitempty"`
	MemTotalBytes  *int64   `json:"mem_total_bytes,omitempty"`
	TempC          *Number  `json:"temp_c,omitempty"`
	MemTempC       *Number  `json:"mem_temp_c,omitempty"`
	PowerW         *Number  `json:"power_w,omitempty"`
	SMClockMHz     *Number  `json:"sm_clock_mhz,omitempty"`
	Throttle       []string `json:"throttle,omitempty"`
	ECCUncorrected *int64   `json:"ecc_uncorrected,omitempty"`
	ECCCorrected   *int64   `json:"ecc_corrected,omitempty"`
	RemapPending   *bool    `json:"remap_pending,omitempty"`
	RemapFailed    *bool    `json:"remap_failed,omitempty"`
	PCIeReplay     *int64   `json:"pcie_replay,omitempty"`
	NVLinkErrors   *int64   `json:"nvlink_errors,omitempty"`
	RecoveryAction *int64   `json:"recovery_action,omitempty"`
}
