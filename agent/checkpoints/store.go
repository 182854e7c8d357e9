package checkpoints

import (
	"context"
	"io"

	"github.com/vision-platform/trainer-agent/contract"
)

// store is the bucket as this package uses it. Errors of Stat, Get, Copy and
// Delete wrap fs.ErrNotExist for an object that is not there. commit of Put runs
// when all bytes are read and before the object becomes visible; an error of it
// leaves nothing behind. The methods are called from several goroutines.
type store interface {
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
	Copy(ctx context.Context, srcKey, dstKey string) (contract.ObjectInfo, error)
	Delete(ctx context.Context, key string) error
	URI(key string) string
}
