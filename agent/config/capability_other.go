//go:build !linux

package config

// mayRunAs is false: running as another needs Linux.
func mayRunAs(Identity) bool { return false }
