//go:build !linux

package confine

// WholeABI is more than there is.
const WholeABI = 3

// ABI is 0: there is no Landlock.
func ABI() int { return 0 }

// Signals is false: there is no Landlock.
func Signals() bool { return false }

// Enter does nothing: there is nothing to enter.
func (p Plan) Enter() error { return nil }
