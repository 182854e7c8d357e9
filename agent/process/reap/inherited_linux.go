package reap

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// firstInherited is behind standard input and the two outputs.
const firstInherited = 3

// Withhold keeps from every child the descriptors that the agent was started with:
// whoever started it may have left a secret or a socket open. It comes first, so that
// no child is before it. What the agent opens itself is not inherited anyway.
func Withhold() error {
	if unix.CloseRange(firstInherited, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	return withholdEach() // before Linux 5.11, and in some sandboxes
}

func withholdEach() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("keeping inherited descriptors from the children: %w", err)
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= firstInherited {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
