package outbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/contract"
)

// keptPrefix begins the names of the files that hold what Keep keeps: kept.{kind}.
const keptPrefix = "kept."

// keep stores a record beside the queue, one a kind, in one step.
func keep(dir string, s *seal, r record) error {
	raw, err := s.encode(r, asKept)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, keptPrefix+string(r.kind)), spool.Encode(raw), 0o600); err != nil {
		return fmt.Errorf("keeping a message: %w", err)
	}
	return nil
}

func kept(dir string, s *seal, kind contract.Kind) (r record, found bool, err error) {
	b, err := readBounded(filepath.Join(dir, keptPrefix+string(kind)), 2*MaxMessageBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, err
	}
	raw, err := spool.Decode(b)
	if err != nil {
		return record{}, false, err
	}
	r, err = s.decode(raw, asKept)
	return r, err == nil, err
}

// forget removes everything that was kept.
func forget(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), keptPrefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// readBounded reads the beginning of a regular file.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := spool.OpenRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
