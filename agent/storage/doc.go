// Package storage is the object store behind a handful of verbs: stat, ranged
// get, put, list, copy and delete, over the S3 API (S3, MinIO, R2) or a local
// folder with the same keys.
//
// It promises that a read is pinned to one version of the object and resumes at
// the byte after a broken connection, that a written object is visible whole or
// not at all and arrived with the hash it left with, that memory does not grow
// with the object, and that every error says what is wrong and what to do.
// Store is small; s3Store and localStore implement it with one connection a read,
// and what both need besides are decorators, stacked in open.go: resume goes on
// after a break, count keeps the metrics, pace keeps the bandwidth cap.
//
// It leaves what the bytes mean, and when to try again after it gave up, to its
// callers.
package storage

import (
	"context"
	"io"
	"iter"

	"github.com/vision-platform/trainer-agent/contract"
)

// Store is one bucket.
//
// Errors are *contract.Failure; beside that errors.Is finds fs.ErrNotExist for
// an object that is not there, contract.ErrObjectChanged, contract.ErrNoRanges,
// and the context's error when that is why the call ended.
type Store interface {
	// Stat asks for an object's size and ETag.
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)

	// Get reads length bytes from offset; a negative length reads to the end.
	// A non-empty etag pins the version (contract.ErrObjectChanged when it is no
	// longer the current one). contract.ErrNoRanges means that the server sent
	// the whole object though offset > 0. The ObjectInfo describes the whole
	// object. The reader resumes by itself after a broken connection and returns
	// io.EOF only after exactly the bytes that were asked for.
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)

	// Put writes size bytes of body, in parallel parts when it is large. commit,
	// which may be nil, is called after every byte was read for its hash and just
	// before the object becomes visible; an error from it is returned as it is,
	// and nothing stays behind.
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error)

	// List yields the objects whose keys begin with prefix, in an order that does
	// not change between two listings. It stops after the first error.
	List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error]

	// Copy duplicates an object inside the bucket without moving its bytes here.
	Copy(ctx context.Context, srcKey, dstKey string) (contract.ObjectInfo, error)

	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error

	// Check makes one cheap call that proves address, credentials and bucket.
	Check(ctx context.Context) error

	// URI is the address of a key for people and for the backend.
	URI(key string) string
}
