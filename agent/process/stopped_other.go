//go:build !linux

package process

// stopped: only Linux tells.
func (c *Child) stopped() bool { return false }
