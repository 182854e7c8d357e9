package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// keptPrefix begins the names of the files that hold what Keep keeps: kept.{kind}.
const keptPrefix = "kept."

// keep stores a record beside the queue, one a kind, in one step.
func keep(dir string, r record) error {
	raw, err := r.encode()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, keptPrefix+string(r.kind))
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keeping a message: %w", err)
	}
	_, err = f.Write(spool.Encode(raw))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = errors.Join(os.Rename(f.Name(), path), spool.SyncDir(dir))
	}
	if err != nil {
		return fmt.Errorf("keeping a message: %w", err)
	}
	return nil
}

func kept(dir string, kind contract.Kind) (r record, found bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, keptPrefix+string(kind)))
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
	r, err = decodeRecord(raw)
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
