package resources

import (
	"path/filepath"
	"strconv"
	"strings"
)

// pressure is the share of the last 10 s, in percent, in which some process
// waited for the resource ("memory" counts page-in stalls). The group's own
// account comes first, then the machine's.
//
// Source: https://docs.kernel.org/accounting/psi.html.
func (g groups) pressure(root, resource string) (float64, bool) {
	if len(g.unified) > 0 {
		if v, ok := readPressure(filepath.Join(g.unified[0], resource+".pressure")); ok {
			return v, true
		}
	}
	return readPressure(filepath.Join(root, "proc/pressure", resource))
}

func readPressure(path string) (float64, bool) {
	for line := range fileLines(path) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "some" {
			continue
		}
		text, ok := strings.CutPrefix(fields[1], "avg10=")
		v, err := strconv.ParseFloat(text, 64)
		return v, ok && err == nil
	}
	return 0, false
}
