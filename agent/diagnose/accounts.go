package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// A file system counts as full when less than this was free in some sample. The
// samples are 10 s apart, so a little is allowed for; ours.
const (
	shmFull  = 0.95     // of /dev/shm
	diskFull = 64 << 20 // bytes, or 1 % of a smaller file system
)

// accounts: what the kernel counted outranks what the child printed.
func accounts(c findings) (*contract.Failure, bool) {
	if k := c.System.OOMKills; k != nil && *k > 0 && !raisedByItself(c) {
		return found(hostOOM(c, *k))
	}
	if shmWasFull(c.System.Shm) && says(c, shmSymptom) {
		return found(shmFailure(c))
	}
	for _, disk := range []contract.VolumeEvidence{c.System.Disk, c.System.Tmp} {
		if wasFull(disk) && says(c, diskSymptom) {
			return found(diskFailure(c, disk))
		}
	}
	return nil, false
}

// memorySigns are what a process says that ran out of memory or lost another one
// to the kernel.
var memorySigns = pattern.Of(`(?i)memory|bad_alloc|killed|bus error|Errno 12\b`)

// raisedByItself: the child left with an exception of its own that has nothing to
// do with memory. The kernel's victim was another process then: the probe, which
// is made the first choice, or a helper that the training did without.
func raisedByItself(c findings) bool {
	if c.signal != "" {
		return false
	}
	for _, x := range c.exceptions {
		if x.Aside || lost(x) {
			continue
		}
		return !memorySigns.Match(x.Text())
	}
	return false
}

func processes(n int64) string {
	if n == 1 {
		return "a process"
	}
	return sprintf("%d processes", n)
}

func hostOOM(c findings, kills int64) *contract.Failure {
	f := contract.Failf(contract.CodeHostOOM, "The container ran out of memory: the kernel killed %s.", processes(kills))
	f = f.WithHint("%s", fill(c.Settings, "Use fewer workers{num_workers} or ask for more memory."))
	f = f.WithEvidence(sprintf("oom_kill +%d", kills))
	if c.System.MemoryLimit > 0 {
		f = f.WithEvidence(sprintf("memory peak %s of %s", peak(c.System), contract.Bytes(c.System.MemoryLimit)))
	}
	return f.WithEvidence(quote(c)...)
}

// peak is the kernel's own: between two samples memory may have come and gone.
func peak(s contract.SystemEvidence) string {
	if s.KernelPeak > s.MemoryPeak {
		return sprintf("%s by the kernel's count (%s in the samples)", contract.Bytes(s.KernelPeak), contract.Bytes(s.MemoryPeak))
	}
	return contract.Bytes(s.MemoryPeak)
}

// shmSymptom and diskSymptom are facts that go with a full file system; without
// one of them a full disk is not why the child ended.
var (
	shmSymptom  = pattern.Of(`(?i)bus error|SIGBUS|No space left on device|shared memory|torch_shm|/torch_\d|nccl-`)
	diskSymptom = pattern.Of(`(?i)No space left on device|Errno 28|ENOSPC|quota exceeded|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+|write failed|iostream error|write\(\): fd \d+ failed|Input/output error|File \S+ cannot be opened|[Cc]an't write data|[Uu]nable to (?:create|extend|flush) file|database or disk is full|SIGBUS|bus error`)
)

func shmWasFull(shm contract.VolumeEvidence) bool {
	return shm.Known() && float64(shm.PeakBytes) >= shmFull*float64(shm.TotalBytes)
}

// shmWasEmpty: less than half was ever used in a sample. Samples are 10 s apart,
// so more than that may have been full in between.
func shmWasEmpty(shm contract.VolumeEvidence) bool {
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

// atFirst is where the user's own code was when the likeliest exception was raised.
func atFirst(c findings) string {
	if len(c.exceptions) == 0 {
		return ""
	}
	return at(c.exceptions[0])
}

func shmFailure(c findings) *contract.Failure {
	shm := c.System.Shm
	size := ""
	if shm.Known() {
		size = sprintf(" (%s)", contract.Bytes(shm.TotalBytes))
	}
	f := contract.Failf(contract.CodeShmTooSmall, "Shared memory (/dev/shm)%s is too small for the data loader's workers.", size)
	f = f.WithHint("%s", fill(c.Settings, shmHint))
	if shm.Known() {
		f = f.WithEvidence(sprintf("/dev/shm peak %s of %s", contract.Bytes(shm.PeakBytes), contract.Bytes(shm.TotalBytes)))
	}
	return f.WithEvidence(quote(c)...)
}

func diskFailure(c findings, v contract.VolumeEvidence) *contract.Failure {
	where := ""
	if v.Path != "" {
		where = " of " + v.Path
	}
	f := contract.Failf(contract.CodeDiskFull, "The disk%s is full.", where).WithHint("%s%s", atFirst(c), diskHint)
	if v.Known() {
		f = f.WithEvidence(sprintf("%s: at least %s of %s were free", v.Path, contract.Bytes(v.MinFreeBytes), contract.Bytes(v.TotalBytes)))
		if v.MinFreeInodes != nil && *v.MinFreeInodes == 0 {
			f = f.WithEvidence(v.Path + ": no free inodes (too many files)")
		}
	}
	return f.WithEvidence(quote(c)...)
}
