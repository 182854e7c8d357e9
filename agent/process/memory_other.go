//go:build !linux

package process

import "errors"

// ReadMemory needs cgroups.
func ReadMemory() (Memory, error) {
	return Memory{}, errors.New("reading the memory account: only Linux has cgroups")
}
