package logtext

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// SignalName is "SIGSEGV".
func SignalName(n int) string {
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(n)
}
