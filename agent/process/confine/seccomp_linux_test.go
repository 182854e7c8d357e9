package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func TestTheFilterRefusesWhatIsDoneToAnotherProcess(t *testing.T) {
	const agent, thread, arch = 7, 8, unix.AUDIT_ARCH_X86_64
	vm, err := bpf.NewVM(target{agent, thread, []int{agent, thread}}.filter(arch))
	if err != nil {
		t.Fatal(err)
	}
	const minusOne = 0xffffffff // never allowed as a number of a process
	for _, c := range []struct {
		what                string
		arch, call          uint32
		first, second, want uint32
	}{
		{"reading", arch, unix.SYS_READ, 3, 0, unix.SECCOMP_RET_ALLOW},
		{"its own limits", arch, unix.SYS_PRLIMIT64, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"the agent's limits", arch, unix.SYS_PRLIMIT64, agent, 0, refuse.Val},
		{"another's limits", arch, unix.SYS_PRLIMIT64, 99, 0, refuse.Val},
		{"its own scheduler", arch, unix.SYS_SCHED_SETSCHEDULER, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"another's scheduler", arch, unix.SYS_SCHED_SETSCHEDULER, 99, 0, refuse.Val},
		{"another's attributes", arch, unix.SYS_SCHED_SETATTR, minusOne, 0, refuse.Val},
		{"a thread's processors", arch, unix.SYS_SCHED_SETAFFINITY, 99, 0, unix.SECCOMP_RET_ALLOW},
		{"the agent's processors", arch, unix.SYS_SCHED_SETAFFINITY, agent, 0, refuse.Val},
		{"the processors of a thread of the agent's", arch, unix.SYS_SCHED_SETAFFINITY, thread, 0, refuse.Val},
		{"a signal to a thread of its own", arch, unix.SYS_TGKILL, 99, 99, unix.SECCOMP_RET_ALLOW},
		{"a signal to the agent's thread", arch, unix.SYS_TGKILL, agent, thread, refuse.Val},
		{"a signal to the agent's thread alone", arch, unix.SYS_TKILL, thread, 0, refuse.Val},
		{"a signal with a value to the agent's thread", arch, unix.SYS_RT_TGSIGQUEUEINFO, agent, thread, refuse.Val},
		{"a signal to the agent by the number of its thread", arch, unix.SYS_KILL, thread, 0, refuse.Val},
		{"a signal with a value by the number of its thread", arch, unix.SYS_RT_SIGQUEUEINFO, thread, 0, refuse.Val},
		{"a signal to a process of its own", arch, unix.SYS_KILL, 99, 0, unix.SECCOMP_RET_ALLOW},
		{"a handle of the agent", arch, unix.SYS_PIDFD_OPEN, agent, 0, unix.SECCOMP_RET_ALLOW},
		{"a handle of the agent's thread", arch, unix.SYS_PIDFD_OPEN, thread, unix.PIDFD_THREAD, refuse.Val},
		{"a signal by a handle", arch, unix.SYS_PIDFD_SEND_SIGNAL, 3, 0, absent.Val},
		{"a flag of a file", arch, unix.SYS_FCNTL, 3, unix.F_SETFL, unix.SECCOMP_RET_ALLOW},
		{"a lease on a file", arch, unix.SYS_FCNTL, 3, unix.F_SETLEASE, refuse.Val},
		{"a delegation of a folder", arch, unix.SYS_FCNTL, 3, unix.F_SETDELEG, refuse.Val},
		{"the user's keys", arch, unix.SYS_KEYCTL, 0, 0, refuse.Val},
		{"a new key", arch, unix.SYS_ADD_KEY, 0, 0, refuse.Val},
		{"a key by its name", arch, unix.SYS_REQUEST_KEY, 0, 0, refuse.Val},
		{"page faults to answer", arch, unix.SYS_USERFAULTFD, 0, 0, refuse.Val},
		{"page faults by the device", arch, unix.SYS_IOCTL, 3, newUserfaultfd, refuse.Val},
		{"a device's setting", arch, unix.SYS_IOCTL, 3, unix.TIOCGWINSZ, unix.SECCOMP_RET_ALLOW},
		{"a ring of calls", arch, unix.SYS_IO_URING_SETUP, 1, 0, absent.Val},
		{"memory by a key of the machine's", arch, unix.SYS_SHMGET, 7, 0, absent.Val},
		{"memory by its number", arch, unix.SYS_SHMAT, 7, 0, absent.Val},
		{"a queue of messages", arch, unix.SYS_MSGRCV, 7, 0, absent.Val},
		{"a queue by its name", arch, unix.SYS_MQ_OPEN, 7, 0, absent.Val},
		{"its own priority", arch, unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, unix.SECCOMP_RET_ALLOW},
		{"another's priority", arch, unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, agent, refuse.Val},
		{"its group's priority", arch, unix.SYS_SETPRIORITY, unix.PRIO_PGRP, 0, unix.SECCOMP_RET_ALLOW},
		{"the priority of the agent's group", arch, unix.SYS_SETPRIORITY, unix.PRIO_PGRP, agent, refuse.Val},
		{"its group's I/O priority", arch, unix.SYS_IOPRIO_SET, 2, 0, unix.SECCOMP_RET_ALLOW},
		{"the I/O priority of the agent's group", arch, unix.SYS_IOPRIO_SET, 2, agent, refuse.Val},
		{"its user's priority", arch, unix.SYS_SETPRIORITY, unix.PRIO_USER, 0, refuse.Val},
		{"its user's I/O priority", arch, unix.SYS_IOPRIO_SET, 3, 0, refuse.Val},
		{"another's I/O priority", arch, unix.SYS_IOPRIO_SET, 1, agent, refuse.Val},
		{"a call of another architecture", unix.AUDIT_ARCH_I386, unix.SYS_READ, 0, 0, absent.Val},
		{"a call of amd64's other ABI", arch, x32 | unix.SYS_PRLIMIT64, agent, 0, absent.Val},
	} {
		// The virtual machine reads the network's byte order, the kernel the machine's.
		data := make([]byte, 64)
		for at, value := range map[int]uint32{atNumber: c.call, atArch: c.arch, atFirst: c.first, atSecond: c.second} {
			binary.BigEndian.PutUint32(data[at:], value)
		}
		if got, err := vm.Run(data); err != nil || uint32(got) != c.want {
			t.Errorf("%s: %#x %v, want %#x", c.what, got, err, c.want)
		}
	}
}

func TestAFilesSignalIsNoneThatEndsTheAgent(t *testing.T) {
	const arch = unix.AUDIT_ARCH_X86_64
	vm, err := bpf.NewVM(target{7, 8, []int{7, 8}}.filter(arch))
	if err != nil {
		t.Fatal(err)
	}
	for signal, want := range map[unix.Signal]uint32{
		0: unix.SECCOMP_RET_ALLOW, unix.SIGIO: unix.SECCOMP_RET_ALLOW, 32: refuse.Val, 34: refuse.Val, 64: refuse.Val,
		unix.SIGTERM: refuse.Val, unix.SIGINT: refuse.Val, unix.SIGKILL: refuse.Val, unix.SIGSYS: refuse.Val,
	} {
		data := make([]byte, 64)
		for at, value := range map[int]uint32{atNumber: unix.SYS_FCNTL, atArch: arch, atSecond: unix.F_SETSIG, atThird: uint32(signal)} {
			binary.BigEndian.PutUint32(data[at:], value)
		}
		if got, err := vm.Run(data); err != nil || uint32(got) != want {
			t.Errorf("%v: %#x %v, want %#x", signal, got, err, want)
		}
	}
}

// A filter of all the threads that fit is one that the kernel takes.
func TestTheFilterOfManyThreadsCanBeAssembled(t *testing.T) {
	threads := make([]int, maxThreads)
	if _, err := bpf.Assemble(target{1, 2, threads}.filter(unix.AUDIT_ARCH_X86_64)); err != nil {
		t.Error(err)
	}
}
