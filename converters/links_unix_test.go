//go:build unix

package converters_test

import (
	"os"
	"syscall"
)

// links is the number of names that a file has.
func links(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Nlink) }
