package dataset

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bootID is new after every start of the kernel.
func bootID() string {
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return ""
	}
	return fmt.Sprint(tv.Sec)
}
