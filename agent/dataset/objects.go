package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// ObjectStore is what FetchObject needs of a bucket.
type ObjectStore interface {
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
	List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error]
	URI(key string) string
}

// FetchObject downloads one object to a file, or, when the key ends in a slash,
// everything below it to a folder: a checkpoint may be one, as Hugging Face writes
// it.
func FetchObject(ctx context.Context, store ObjectStore, key, path string) error {
	if !strings.HasSuffix(key, "/") {
		return fetchFile(ctx, store, key, path)
	}
	found := false
	for object, err := range store.List(ctx, key) {
		if err != nil {
			return err
		}
		name := filepath.FromSlash(strings.TrimPrefix(object.Key, key))
		if !filepath.IsLocal(name) {
			return contract.Failf(contract.CodeStorageError, "the checkpoint %s holds an object named %q.", store.URI(key), name)
		}
		if err := fetchFile(ctx, store, object.Key, filepath.Join(path, name)); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return contract.Failf(contract.CodeStorageError, "there is nothing below %s.", store.URI(key)).WithHint("Check CHECKPOINT_PATH.")
	}
	return nil
}

func fetchFile(ctx context.Context, store ObjectStore, key, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return unwritableInput(err)
	}
	out, err := os.Create(path)
	if err != nil {
		return unwritableInput(err)
	}
	_, err = download.Fetch(ctx, store, key, "", out)
	if err := errors.Join(err, out.Close()); err != nil {
		_ = os.Remove(path) // what is there is whole
		return fmt.Errorf("fetching %s: %w", store.URI(key), err)
	}
	return nil
}

func unwritableInput(err error) error {
	return contract.Failf(contract.CodeConfigInvalid, "what the job reads cannot be written to the workspace: %w.", err).
		WithHint("Set WORKSPACE_DIR to a folder that user %d can write to.", os.Getuid())
}

// imagesAtOnce is how many images of an inference job are fetched in parallel.
const imagesAtOnce = 8

// InputsFetching brings in the checkpoint of an inference or export job, and the
// images of an inference job.
type InputsFetching struct {
	Supply
	Dir           string
	CheckpointURI string
	ImageURIs     []string // nil for a job that has none
	// Open opens the bucket of an address: any that the credentials open.
	Open func(ctx context.Context, bucket string) (Bucket, error)

	Checkpoint string   // path
	Images     []string // paths, in the order of ImageURIs
}

// Start fetches them.
func (f *InputsFetching) Start(ctx context.Context) error {
	f.Tracker.Enter(job.PhaseWeights)
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return unwritableInput(err)
	}
	f.Checkpoint = filepath.Join(f.Dir, path.Base(f.CheckpointURI))
	if err := f.fetch(ctx, f.CheckpointURI, f.Checkpoint); err != nil || f.ImageURIs == nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(imagesAtOnce)
	f.Images = []string{}
	for i, uri := range f.ImageURIs {
		// The number keeps equal names of different folders apart, and the order.
		file := filepath.Join(f.Dir, "images", fmt.Sprintf("%06d-%s", i, path.Base(uri)))
		f.Images = append(f.Images, file)
		group.Go(func() error { return f.fetch(ctx, uri, file) })
	}
	return group.Wait()
}

func (f *InputsFetching) fetch(ctx context.Context, uri, file string) error {
	bucket, key, err := contract.ParseURI(uri)
	if err != nil {
		return contract.Failf(contract.CodeConfigInvalid, "%w.", err)
	}
	store, err := f.Open(ctx, bucket)
	if err != nil {
		return err
	}
	return FetchObject(ctx, store, key, file)
}

// Stop leaves them for the next run.
func (*InputsFetching) Stop(context.Context) error { return nil }
