package resources

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// cpuTime is the processor time that the container has used.
func (g groups) cpuTime() (time.Duration, bool) {
	if chain := g.v1["cpuacct"]; len(chain) > 0 {
		ns, ok := readInt(filepath.Join(chain[0], "cpuacct.usage"))
		return time.Duration(ns), ok
	}
	if len(g.unified) > 0 {
		us, ok := readKey(filepath.Join(g.unified[0], "cpu.stat"), "usage_usec")
		return time.Duration(us) * time.Microsecond, ok
	}
	return 0, false
}

// cpuLimit is the number of cores that the group may use: the smallest quota up
// to the mount, or every core of the affinity mask.
func (g groups) cpuLimit() float64 {
	limit := float64(runtime.NumCPU())
	for _, dir := range g.v1["cpu"] {
		quota, ok := readInt(filepath.Join(dir, "cpu.cfs_quota_us"))
		period, ok2 := readInt(filepath.Join(dir, "cpu.cfs_period_us"))
		if ok && ok2 && quota > 0 && period > 0 {
			limit = min(limit, float64(quota)/float64(period))
		}
	}
	for _, dir := range g.unified {
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
