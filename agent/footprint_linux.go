package agent

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack returns to the training what the agent does not need just now: its free
// heap, and the pages of its own program, most of which (archives, conversion, the
// S3 client) wait for their next use. Only mappings that the kernel itself keeps
// read-only are let go, so a page that is needed again comes back unchanged from the
// page cache, in about a microsecond (madvise(2), MADV_DONTNEED of a private file
// mapping).
func giveBack() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if from, to, ok := readOnly(lines.Text(), program); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // only advice
		}
	}
}

// readOnly reads a line of /proc/PID/maps ("from-to r-xp offset device inode path")
// and reports whether it is a part of the program that nobody can have written to.
func readOnly(line, program string) (from, to uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || !strings.HasSuffix(line, " "+program) || (fields[1] != "r-xp" && fields[1] != "r--p") {
		return 0, 0, false
	}
	first, last, _ := strings.Cut(fields[0], "-")
	a, errA := strconv.ParseUint(first, 16, strconv.IntSize)
	b, errB := strconv.ParseUint(last, 16, strconv.IntSize)
	return uintptr(a), uintptr(b), errA == nil && errB == nil && a < b
}
