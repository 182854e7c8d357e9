package upload

import (
	"context"
	"io"

	"github.com/vision-platform/trainer-agent/contract"
)

// Store is the bucket as an upload uses it. commit of Put runs when all bytes are
// read and before the object becomes visible; an error of it leaves nothing behind.
// The methods are called from several goroutines.
type Store interface {
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)
	Copy(ctx context.Context, srcKey, dstKey string) (contract.ObjectInfo, error)
}
