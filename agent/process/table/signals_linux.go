package table

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Catches reports whether a process has a handler of its own for a signal. One that
// cannot be asked is taken for one that has none.
func (p Process) Catches(sig syscall.Signal) bool { return inMask(p.status(), "SigCgt:", sig) }

// Handles reports that it has a handler, or waits for the signal as small inits do, which block
// it first.
func (p Process) Handles(sig syscall.Signal) bool {
	status := p.status()
	return inMask(status, "SigCgt:", sig) || inMask(status, "SigBlk:", sig)
}

func (p Process) status() []byte {
	raw, _ := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/status")
	return raw
}

// inMask looks a signal up in a mask of /proc/PID/status.
func inMask(status []byte, mask string, sig syscall.Signal) bool {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		hex, ok := strings.CutPrefix(lines.Text(), mask)
		if !ok {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		return err == nil && bits&(1<<(uint(sig)-1)) != 0
	}
	return false
}
