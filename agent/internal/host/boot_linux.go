package host

import (
	"os"
	"strings"
)

// BootID is new after every start of the kernel; "" when it is not known.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
