package resources

import (
	"strconv"
	"strings"
)

// meminfo reads one "Key:   123 kB" line, in bytes.
func meminfo(path, key string) (int64, bool) {
	for line := range fileLines(path) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name != key {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		return kb << 10, err == nil
	}
	return 0, false
}
