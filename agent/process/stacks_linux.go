package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// DumpSignal makes a Python child with the SDK print the stacks of all its threads
// to stderr (faulthandler.register).
const DumpSignal = syscall.SIGUSR1

// DumpStacks sends DumpSignal to every process of the child that has a handler
// for it, and to no other, because without one it kills. It returns how many were
// asked; the answer comes as output.
func (c *Child) DumpStacks() (int, error) {
	table, err := c.processes()
	if err != nil {
		return 0, fmt.Errorf("asking for stack dumps: %w", err)
	}
	asked := 0
	for _, p := range table {
		if !p.dead() && p.catches(DumpSignal) && p.signal(DumpSignal) {
			asked++
		}
	}
	return asked, nil
}

func (p Process) catches(sig syscall.Signal) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/status")
	return err == nil && caught(raw, sig)
}

// caught looks a signal up in the SigCgt mask of /proc/PID/status.
func caught(status []byte, sig syscall.Signal) bool {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		hex, ok := strings.CutPrefix(lines.Text(), "SigCgt:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		return err == nil && mask&(1<<(uint(sig)-1)) != 0
	}
	return false
}
