package host

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// CPUTime is the processor time that the group has used.
func (g Groups) CPUTime() (time.Duration, bool) {
	if c := g.v1["cpuacct"]; c.present() {
		ns, ok := number(filepath.Join(c.dirs[0], "cpuacct.usage"))
		return time.Duration(ns), ok
	}
	if g.unified.present() {
		us, ok := counters(filepath.Join(g.unified.dirs[0], "cpu.stat"))["usage_usec"]
		return time.Duration(us) * time.Microsecond, ok
	}
	return 0, false
}

// CPULimit is the number of cores that the group may use: the smallest quota up
// to the mount, or every core of the affinity mask.
func (g Groups) CPULimit() float64 {
	limit := float64(runtime.NumCPU())
	for _, dir := range g.v1["cpu"].dirs {
		quota, ok := number(filepath.Join(dir, "cpu.cfs_quota_us"))
		period, ok2 := number(filepath.Join(dir, "cpu.cfs_period_us"))
		if ok && ok2 && quota > 0 && period > 0 {
			limit = min(limit, float64(quota)/float64(period))
		}
	}
	for _, dir := range g.unified.dirs {
		if quota, ok := cpuMax(filepath.Join(dir, "cpu.max")); ok {
			limit = min(limit, quota)
		}
	}
	return limit
}

// cpuMax reads v2's "150000 100000"; "max 100000" is no limit.
func cpuMax(path string) (float64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	quota, period, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0, false
	}
	return q / p, true
}

// Pressure is the share of the last 10 s, in percent, in which some process
// waited for the resource ("memory" counts page-in stalls, "cpu" for a turn). The
// group's own account comes first, then the machine's.
//
// Source: https://docs.kernel.org/accounting/psi.html. procfs reads the machine's
// file only, and both have one form.
func (g Groups) Pressure(resource string) (float64, bool) {
	if g.unified.present() {
		if v, ok := someAvg10(filepath.Join(g.unified.dirs[0], resource+".pressure")); ok {
			return v, true
		}
	}
	return someAvg10(filepath.Join(g.root, "proc/pressure", resource))
}

func someAvg10(path string) (float64, bool) {
	for line := range lines(path) {
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
