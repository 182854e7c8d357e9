package confine

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data; of an argument the lower half, which is all of a pid.
const (
	atNumber, atArch = 0, 4
	atFirst          = 16 // args[0], on machines with the low byte first
	atSecond         = 24
	atThird          = 32
)

// The ends of the filter.
var (
	allow  = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	absent = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
)

// target is whom a filter protects.
type target struct {
	agent   int
	starter int   // the thread of the agent that starts the child
	threads []int // of the agent, its first and the starter among them
}

// maxThreads bounds the threads in a filter: a jump of the filter spans 255 instructions.
const maxThreads = 120

// here is this process, with the threads that it has now. One that it makes later runs
// what the others run, and has no rules of the child's upon it.
func here() target {
	t := target{os.Getpid(), unix.Gettid(), []int{os.Getpid(), unix.Gettid()}}
	entries, _ := os.ReadDir("/proc/self/task")
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil && !slices.Contains(t.threads, id) && len(t.threads) < maxThreads {
			t.threads = append(t.threads, id)
		}
	}
	return t
}

// filter refuses what Landlock does not know of and one user may do to its own
// processes. Another architecture's calls, which would go around it, are not there.
func (t target) filter(arch uint32) []bpf.Instruction {
	f := program{
		bpf.LoadAbsolute{Off: atArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1}, absent,
		bpf.LoadAbsolute{Off: atNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1}, absent,
	}
	f.keepLimits()
	f.keepThreads(t)
	f.keepFiles()
	f.keepKernel()
	f.keepQueues()
	return append(f, allow)
}

type program []bpf.Instruction

// on says what happens to a call; then ends in a return on every path.
func (f *program) on(call uint32, then ...bpf.Instruction) {
	*f = append(*f, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(then))})
	*f = append(*f, then...)
}

var first, second, third = bpf.LoadAbsolute{Off: atFirst, Size: 4}, bpf.LoadAbsolute{Off: atSecond, Size: 4}, bpf.LoadAbsolute{Off: atThird, Size: 4}

// keepLimits refuses another's limits, scheduling and priorities. On itself and its own
// group a process calls them with 0.
func (f *program) keepLimits() {
	for _, call := range []uint32{unix.SYS_PRLIMIT64, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR} {
		f.on(call, first, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1}, allow, refuse)
	}
	for call, process := range map[uint32]uint32{unix.SYS_SETPRIORITY: unix.PRIO_PROCESS, unix.SYS_IOPRIO_SET: 1} {
		f.on(call, first, // a user's processes are the third kind, after those of a group
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: process + 2, SkipFalse: 1}, refuse,
			second, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1}, allow, refuse)
	}
}

// keepThreads refuses the processors of the agent's threads, and signals to one. The
// thread that starts the child is under the child's rules, so Landlock takes it for one
// of the child's own. Libraries name threads of their own in the same calls. Whom a handle
// stands for is not in a call's numbers, and a folder of /proc is a handle too: signals by
// one are absent, as in kernels before Linux 5.1, and libraries that know them have kill.
func (f *program) keepThreads(t target) {
	for _, call := range []uint32{unix.SYS_SCHED_SETAFFINITY, unix.SYS_TKILL} {
		f.on(call, oneOf(t.threads)...)
	}
	// Of the agent itself one may want to know when it ends.
	f.on(unix.SYS_PIDFD_OPEN, oneOf(slices.DeleteFunc(slices.Clone(t.threads), func(id int) bool { return id == t.agent }))...)
	f.on(unix.SYS_PIDFD_SEND_SIGNAL, absent)
	for _, call := range []uint32{unix.SYS_TGKILL, unix.SYS_RT_TGSIGQUEUEINFO} {
		f.on(call, oneOf([]int{t.agent})...)
	}
	// The number of a thread stands for its process here, and only what Landlock takes
	// for one of the child's own has to be refused: another's may be a child's later.
	for _, call := range []uint32{unix.SYS_KILL, unix.SYS_RT_SIGQUEUEINFO} {
		f.on(call, oneOf([]int{t.starter})...)
	}
}

func oneOf(numbers []int) []bpf.Instruction {
	list := []bpf.Instruction{first}
	for _, n := range numbers {
		list = append(list, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(n), SkipFalse: 1}, refuse)
	}
	return append(list, allow)
}

// keepFiles lets a file that becomes readable be told by SIGIO only: whom it is told to,
// a thread of the agent perhaps, is not in the call's numbers. Go catches SIGIO, but not
// the first real-time signals, which belong to the C library and end a program without one.
// A lease on a file, which is one of a file server's, makes all others who open that file
// wait 45 seconds: also other jobs that take it from the shared cache. A delegation
// (Linux 6.19) is a lease that a folder can have too.
func (f *program) keepFiles() {
	f.on(unix.SYS_FCNTL, second, bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_SETLEASE, SkipFalse: 1}, refuse,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_SETDELEG, SkipFalse: 1}, refuse,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_SETSIG, SkipTrue: 1}, allow,
		third, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1}, allow,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(unix.SIGIO), SkipFalse: 1}, allow, refuse)
}

// keepKernel refuses what containers refuse too, and no training needs. Keys belong to a
// user, not to a job: tickets of Kerberos are among them. Rings make calls that no filter
// sees; libraries that know them do without. A page fault that is answered late stops
// whoever touches the page, the kernel at work for another process included. To root
// /dev/userfaultfd gives what the call gives. A watch by fanotify sees which files others use, of folders too
// that Landlock closes; programs within the kernel and its log are nobody's but root's on most machines.
func (f *program) keepKernel() {
	for _, call := range []uint32{unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT, unix.SYS_BPF, unix.SYS_SYSLOG} {
		f.on(call, refuse)
	}
	f.on(unix.SYS_IOCTL, second, bpf.JumpIf{Cond: bpf.JumpEqual, Val: newUserfaultfd, SkipFalse: 1}, refuse, allow)
	f.on(unix.SYS_IO_URING_SETUP, absent)
}

// keepQueues takes away what processes share by a number or a name of the whole machine:
// memory, queues and semaphores of System V, and POSIX queues, which Landlock does not know.
// Kernels may be built without them, so libraries that know them have another way:
// frameworks share by files of /dev/shm (shm_open), Python by semaphores there (sem_open).
func (f *program) keepQueues() {
	for _, call := range []uint32{
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
		unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	} {
		f.on(call, absent)
	}
}

// newUserfaultfd is USERFAULTFD_IOC_NEW of linux/userfaultfd.h, a number of no other device's.
const newUserfaultfd = 0xaa00

// x32 is the bit of the calls of amd64's other ABI; no architecture has as many.
const x32 = 0x40000000

// keepApart puts the calling thread, and what it starts, under the filter. It needs
// no_new_privs.
func keepApart(t target) error {
	arch := auditArch()
	if arch == 0 {
		return nil
	}
	raw, err := bpf.Assemble(t.filter(arch))
	if err != nil {
		return fmt.Errorf("assembling the seccomp filter: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("setting the seccomp filter: %w", errno)
	}
	return nil
}
