package table

import (
	"syscall"
	"testing"
)

func TestCaughtReadsTheMask(t *testing.T) {
	status := "Name:\tpython\nSigIgn:\t0000000001001000\nSigCgt:\t0000000000000202\n"
	if !inMask([]byte(status), "SigCgt:", syscall.SIGUSR1) || !inMask([]byte(status), "SigCgt:", syscall.SIGINT) {
		t.Error("a handler was not seen")
	}
	if inMask([]byte(status), "SigCgt:", syscall.SIGUSR2) || inMask([]byte("SigCgt:\tx\n"), "SigCgt:", syscall.SIGUSR1) || inMask(nil, "SigCgt:", syscall.SIGUSR1) {
		t.Error("a handler was seen that is not there")
	}
}
