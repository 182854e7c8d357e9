package checkpoints

import (
	"context"
	"fmt"
	"path"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// storedPatience is how long the store is asked for what the training put there.
const storedPatience = 10 * time.Second

// Statter asks a bucket for an object.
type Statter interface {
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
}

// TakeStored believes a training that it put its checkpoint into the bucket itself,
// with keys of its own, where no upload of ours is there and the object is. An error
// means that the training named one that is not there.
func (s *Summary) TakeStored(ctx context.Context, uri string, open func(ctx context.Context, bucket string) (Statter, error)) error {
	if uri == "" || s.CheckpointPath() != nil {
		return nil
	}
	bucket, key, err := contract.ParseURI(uri)
	if err != nil {
		return nil //nolint:nilerr // a path on disk, which is no promise about the bucket
	}
	ctx, cancel := context.WithTimeout(ctx, storedPatience)
	defer cancel()
	store, err := open(ctx, bucket)
	if err != nil {
		return fmt.Errorf("opening the bucket %s: %w", bucket, err)
	}
	info, err := store.Stat(ctx, key)
	if err != nil {
		return err
	}
	if info.Size == 0 {
		return fmt.Errorf("%s is empty", uri)
	}
	s.Stored = uri
	s.Artifacts = append(s.Artifacts, contract.Artifact{Name: path.Base(key), Path: uri, SizeBytes: info.Size})
	return nil
}
