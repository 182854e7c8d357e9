//go:build !linux

package scan

import "syscall"

// changeTime is named differently on every system; without it no file counts as renamed.
func changeTime(*syscall.Stat_t) int64 { return 0 }
