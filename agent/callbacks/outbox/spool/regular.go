package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/internal/regular"
)

// OpenRegular opens a file as regular.OpenFile does: one who can write to the folder may
// have planted another kind. Its error is then ErrDamaged.
func OpenRegular(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := regular.OpenFile(path, flag, perm)
	if errors.Is(err, regular.ErrNot) {
		return nil, fmt.Errorf("%w: %s is no regular file", ErrDamaged, filepath.Base(path))
	}
	return f, err
}
