package process

import (
	"syscall"
	"testing"
)

func TestCaughtReadsTheMask(t *testing.T) {
	status := "Name:\tpython\nSigIgn:\t0000000001001000\nSigCgt:\t0000000000000202\n"
	if !caught([]byte(status), syscall.SIGUSR1) || !caught([]byte(status), syscall.SIGINT) {
		t.Error("a handler was not seen")
	}
	if caught([]byte(status), syscall.SIGUSR2) || caught([]byte("SigCgt:\tx\n"), syscall.SIGUSR1) || caught(nil, syscall.SIGUSR1) {
		t.Error("a handler was seen that is not there")
	}
}
