package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// A file system counts as full when less than this was free in some sample. The
// samples are 10 s apart, so a little is allowed for; ours.
const (
	shmFull  = 0.95     // of /dev/shm
	diskFull = 64 << 20 // bytes, or 1 % of a smaller file system
)

// accounts: what the kernel counted outranks what the child printed.
func accounts(c *inquest) (*contract.Failure, bool) {
	if k := c.System.OOMKills; k != nil && *k > 0 && !c.raisedByItself() {
		return found(c.hostOOM(*k))
	}
	if c.shmWasFull() && c.says(shmSymptom) {
		return found(c.shmFailure())
	}
	for _, disk := range []contract.VolumeEvidence{c.System.Disk, c.System.Tmp} {
		if wasFull(disk) && c.says(diskSymptom) {
			return found(c.diskFailure(disk))
		}
	}
	return nil, false
}

// memorySigns are what a process says that ran out of memory or lost another one
// to the kernel.
var memorySigns = re(`(?i)memory|bad_alloc|killed|bus error|Errno 12\b`)

// raisedByItself: the child left with an exception of its own that has nothing to
// do with memory. The kernel's victim was another process then: the probe, which
// is made the first choice, or a helper that the training did without.
func (c *inquest) raisedByItself() bool {
	if c.Signal != 0 || c.ExitCode > 128 {
		return false
	}
	for _, x := range c.exceptions {
		if x.aside || victims.MatchString(x.text()) {
			continue
		}
		return !memorySigns.MatchString(x.text())
	}
	return false
}

func processes(n int64) string {
	if n == 1 {
		return "a process"
	}
	return sprintf("%d processes", n)
}

func (c *inquest) hostOOM(kills int64) *contract.Failure {
	f := contract.Failf(contract.CodeHostOOM, "The container ran out of memory: the kernel killed %s.", processes(kills))
	f = f.WithHint("%s", c.Settings.fill("Use fewer workers{num_workers} or ask for more memory."))
	f = f.WithEvidence(sprintf("oom_kill +%d", kills))
	if c.System.MemoryLimit > 0 {
		f = f.WithEvidence(sprintf("memory peak %s of %s", contract.Bytes(c.System.MemoryPeak), contract.Bytes(c.System.MemoryLimit)))
	}
	return f.WithEvidence(c.quote()...)
}

// shmSymptom and diskSymptom are facts that go with a full file system; without
// one of them a full disk is not why the child ended.
var (
	shmSymptom  = re(`(?i)bus error|SIGBUS|No space left on device|shared memory|torch_shm|/torch_\d|nccl-`)
	diskSymptom = re(`(?i)No space left on device|Errno 28|ENOSPC|quota exceeded|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+|write failed|database or disk is full|SIGBUS|bus error`)
)

// says looks for a fact in the log, in the exceptions and in how the child ended.
func (c *inquest) says(fact *pattern) bool {
	if c.Signal != 0 && fact.MatchString(signalName(c.Signal)) {
		return true
	}
	for _, x := range c.exceptions {
		if fact.MatchString(x.text()) {
			return true
		}
	}
	_, ok := c.lineLike(fact)
	return ok
}

func (c *inquest) shmWasFull() bool {
	shm := c.System.Shm
	return shm.Known() && float64(shm.PeakBytes) >= shmFull*float64(shm.TotalBytes)
}

// shmWasEmpty: less than half was ever used in a sample. Samples are 10 s apart,
// so more than that may have been full in between.
func (c *inquest) shmWasEmpty() bool {
	shm := c.System.Shm
	return shm.Known() && shm.PeakBytes < shm.TotalBytes/2
}

func wasFull(v contract.VolumeEvidence) bool {
	if !v.Known() {
		return false
	}
	if v.MinFreeInodes != nil && *v.MinFreeInodes == 0 {
		return true
	}
	return v.MinFreeBytes <= min(diskFull, v.TotalBytes/100)
}

func (c *inquest) shmFailure() *contract.Failure {
	shm := c.System.Shm
	size := ""
	if shm.Known() {
		size = sprintf(" (%s)", contract.Bytes(shm.TotalBytes))
	}
	f := contract.Failf(contract.CodeShmTooSmall, "Shared memory (/dev/shm)%s is too small for the data loader's workers.", size)
	f = f.WithHint("%s", c.Settings.fill(shmHint))
	if shm.Known() {
		f = f.WithEvidence(sprintf("/dev/shm peak %s of %s", contract.Bytes(shm.PeakBytes), contract.Bytes(shm.TotalBytes)))
	}
	return f.WithEvidence(c.quote()...)
}

func (c *inquest) diskFailure(v contract.VolumeEvidence) *contract.Failure {
	where := ""
	if v.Path != "" {
		where = " of " + v.Path
	}
	f := contract.Failf(contract.CodeDiskFull, "The disk%s is full.", where).
		WithHint("Ask for a larger disk, or keep fewer checkpoints (CHECKPOINT_FREQUENCY).")
	if v.Known() {
		f = f.WithEvidence(sprintf("%s: at least %s of %s were free", v.Path, contract.Bytes(v.MinFreeBytes), contract.Bytes(v.TotalBytes)))
		if v.MinFreeInodes != nil && *v.MinFreeInodes == 0 {
			f = f.WithEvidence(v.Path + ": no free inodes (too many files)")
		}
	}
	return f.WithEvidence(c.quote()...)
}
