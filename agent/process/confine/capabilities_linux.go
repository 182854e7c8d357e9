package confine

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// taken are what a child that is root as the agent is could undo everything else with:
// memory and descriptors of any process, the kernel and its clock, disks by their device,
// and the network's packets, which hold the agent's token where the backend has no TLS.
// Landlock forbids mounts anyway.
var taken = []uint{
	unix.CAP_NET_RAW, unix.CAP_NET_ADMIN, unix.CAP_SYS_TIME, unix.CAP_SYS_PACCT, unix.CAP_SYSLOG,
	unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_AUDIT_CONTROL, unix.CAP_LINUX_IMMUTABLE,
	unix.CAP_SYS_PTRACE, unix.CAP_SYS_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_MKNOD,
	unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_DAC_READ_SEARCH, unix.CAP_CHECKPOINT_RESTORE,
}

// forDevices are those with which CUDA's first call on a machine without a container
// toolkit loads a module and makes its device.
var forDevices = []uint{unix.CAP_SYS_MODULE, unix.CAP_MKNOD}

// deviceToCome reports whether there is a driver whose device for CUDA was not made yet.
func deviceToCome() bool {
	_, driver := os.Stat("/dev/nvidiactl")
	_, device := os.Stat("/dev/nvidia-uvm")
	return driver == nil && os.IsNotExist(device)
}

// dropCapabilities takes them from the calling thread and what it starts. no_new_privs
// keeps a program from getting back what is not in the set of its parent; where even
// that cannot be asked for, there was nothing to take.
func dropCapabilities() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) != nil {
		return
	}
	toCome := deviceToCome()
	for _, c := range taken {
		if toCome && slices.Contains(forDevices, c) {
			continue // a training that finds no GPU is worse
		}
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		set, bit := &sets[c/32], uint32(1)<<(c%32)
		set.Effective, set.Permitted, set.Inheritable = set.Effective&^bit, set.Permitted&^bit, set.Inheritable&^bit
	}
	_ = unix.Capset(&header, &sets[0])
}
