package agent

import (
	"bufio"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack returns to the training what the agent does not need just now: its free
// heap, and the pages of its own program, most of which (archives, conversion, the
// S3 client) wait for their next use. Only mappings that are as the file has them are
// let go, so a page that is needed again comes back unchanged from the page cache, in
// about a microsecond (madvise(2), MADV_DONTNEED of a private file mapping).
func giveBack() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for _, m := range unchanged(maps, program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED) // only advice
	}
}

// A mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// unchanged reads /proc/PID/smaps and returns the read-only parts of the program that
// hold no page of their own: a loader that relocates a position-independent program
// writes to some before it makes them read-only, and those are in no file.
func unchanged(smaps io.Reader, program string) (found []mapping) {
	var m mapping
	ours, same := false, false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimSpace(value); {
		case strings.Contains(name, "-"):
			m.from, m.to, ours = readOnly(lines.Text(), program)
			same = false // where the kernel does not say so
		case name == "Anonymous":
			same = value == "0 kB"
		case name == "Swap":
			same = same && value == "0 kB"
		case name == "VmFlags" && ours && same: // the last line of each
			found = append(found, m)
		}
	}
	return found
}

// readOnly reads the first line of a mapping ("from-to r-xp offset device inode path")
// and reports whether it is a part of the program that nobody can write to now.
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
