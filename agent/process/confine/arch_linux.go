package confine

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// auditArch is the kernel's name of this architecture, 0 where no filter is made.
func auditArch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0
}
