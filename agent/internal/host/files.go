package host

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// lines yields the lines of a small file; none when it cannot be read.
func lines(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer func() { _ = f.Close() }()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if !yield(sc.Text()) {
				return
			}
		}
	}
}

// number reads a file of one number. "max" and what is absent are not known.
func number(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return v, err == nil
}

// counters reads the "name number" lines of a file such as memory.stat; one that
// is not there has none.
func counters(path string) map[string]int64 {
	counts := map[string]int64{}
	for line := range lines(path) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			counts[fields[0]] = n
		}
	}
	return counts
}
