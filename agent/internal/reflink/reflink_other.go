//go:build !linux

package reflink

import (
	"errors"
	"os"
)

// Clone is not offered here.
func Clone(_, _ *os.File) error { return errors.ErrUnsupported }
