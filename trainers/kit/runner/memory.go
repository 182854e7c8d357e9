package runner

import (
	"os"
	"strings"
)

// KilledForMemory says whether the kernel has ended a process of this one's container for
// want of memory, as the files of cgroups of either version tell it.
func KilledForMemory() bool {
	for _, file := range []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"} {
		text, err := os.ReadFile(file) //nolint:gosec // one of two
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "oom_kill" {
				return fields[1] != "0"
			}
		}
	}
	return false
}
