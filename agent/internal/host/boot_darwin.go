package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// BootID is new after every start of the kernel; "" when it is not known.
func BootID() string {
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return ""
	}
	return fmt.Sprint(tv.Sec)
}
