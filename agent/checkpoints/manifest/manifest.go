// Package manifest keeps what a job's prefix in the bucket holds, by name, and turns
// it into manifest.json, which says so to others. It promises a stable order, the
// newest of equals by epoch and then by time, and that no name read from a manifest
// can leave the prefix. It leaves writing the file, after what it names, to its caller.
package manifest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxBytes is read of one manifest.
const maxBytes = 32 << 20

// Reader is the bucket as it is read here. An error wraps fs.ErrNotExist for an
// object that is not there.
type Reader interface {
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
}

// Read fetches a job's manifest. The error wraps fs.ErrNotExist when the job has none.
func Read(ctx context.Context, s Reader, job string) (contract.Manifest, error) {
	var m contract.Manifest
	body, _, err := s.Get(ctx, contract.ManifestKey(job), 0, -1, "")
	if err != nil {
		return m, fmt.Errorf("reading the manifest: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxBytes))
	if err := errors.Join(err, body.Close()); err != nil {
		return m, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return m, nil
}

// errDamaged: the bytes are no manifest; reading them again will not help.
var errDamaged = errors.New("the manifest is not readable")

// Unreadable reports whether a manifest will never be read: it is damaged, or
// the credentials may only write. S3 also answers "forbidden" to a read of an
// absent object when the listing of the bucket is not allowed.
func Unreadable(err error) bool {
	failure, ok := errors.AsType[*contract.Failure](err)
	return errors.Is(err, errDamaged) || ok && failure.Code == contract.CodeStorageForbidden
}
