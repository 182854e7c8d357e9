package confine

import (
	"fmt"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data; of an argument the lower half, which is all of a pid.
const (
	atNumber, atArch = 0, 4
	atFirst          = 16 // args[0], on machines with the low byte first
	atSecond         = 24
)

// The ends of the filter.
var (
	allow  = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	absent = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
)

// filter refuses what Landlock does not know of and one user may do to its own
// processes: another's limits, scheduling and priorities. On itself and its own group a
// process calls them with 0. Another architecture's calls, which would go around it,
// are not there.
func filter(arch uint32, agent int) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1}, absent,
		bpf.LoadAbsolute{Off: atNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1}, absent,
	}
	on := func(call uint32, then ...bpf.Instruction) { // then ends in a return on every path
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(then))})
		program = append(program, then...)
	}
	first, second := bpf.LoadAbsolute{Off: atFirst, Size: 4}, bpf.LoadAbsolute{Off: atSecond, Size: 4}
	for _, call := range []uint32{unix.SYS_PRLIMIT64, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR} {
		on(call, first, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1}, allow, refuse)
	}
	// Libraries set the affinity of their own threads by number, so only the agent's is refused.
	on(unix.SYS_SCHED_SETAFFINITY, first, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(agent), SkipFalse: 1}, refuse, allow)
	for call, process := range map[uint32]uint32{unix.SYS_SETPRIORITY: unix.PRIO_PROCESS, unix.SYS_IOPRIO_SET: 1} {
		on(call, first, // a user's processes are the third kind, after those of a group
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: process + 2, SkipFalse: 1}, refuse,
			second, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1}, allow, refuse)
	}
	return append(program, allow)
}

// x32 is the bit of the calls of amd64's other ABI; no architecture has as many.
const x32 = 0x40000000

// keepLimits puts the calling thread, and what it starts, under the filter. It needs
// no_new_privs.
func keepLimits(agent int) error {
	arch := auditArch()
	if arch == 0 {
		return nil
	}
	raw, err := bpf.Assemble(filter(arch, agent))
	if err != nil {
		return fmt.Errorf("assembling the seccomp filter: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("setting the seccomp filter: %w", errno)
	}
	return nil
}
