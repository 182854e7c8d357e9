package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// imagesAtOnce is how many images of an inference job are fetched in parallel.
const imagesAtOnce = 8

// fetchInputs brings the checkpoint of an inference or export job, and the
// images of an inference job.
func (j *job) fetchInputs(ctx context.Context) (err error) {
	if err := os.MkdirAll(j.ws.inputs(), 0o755); err != nil {
		return j.ws.unwritable(err)
	}
	name := path.Base(j.cfg.CheckpointPath)
	j.prepared.checkpoint, err = j.fetchObject(ctx, j.cfg.CheckpointPath, filepath.Join(j.ws.inputs(), name))
	if err != nil || j.cfg.Job.Inference == nil {
		return err
	}
	paths := j.cfg.Job.Inference.ImagePaths
	j.prepared.images = make([]string, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(imagesAtOnce)
	for i, uri := range paths {
		group.Go(func() (err error) {
			// The number keeps equal names of different folders apart, and the order.
			file := filepath.Join(j.ws.inputs(), "images", fmt.Sprintf("%06d-%s", i, path.Base(uri)))
			j.prepared.images[i], err = j.fetchObject(ctx, uri, file)
			return err
		})
	}
	return group.Wait()
}

// fetchObject downloads one object, of any bucket that the credentials open,
// and returns file.
func (j *job) fetchObject(ctx context.Context, uri, file string) (string, error) {
	bucket, key, err := contract.ParseURI(uri)
	if err != nil {
		return "", contract.Failf(contract.CodeConfigInvalid, "%w.", err)
	}
	store := j.store
	if bucket != j.cfg.BucketName {
		if store, err = storage.Open(ctx, j.storageConfig(bucket)); err != nil {
			return "", err
		}
	}
	if strings.HasSuffix(key, "/") {
		return file, j.fetchFolder(ctx, store, key, file)
	}
	return file, j.fetchKey(ctx, store, key, file)
}

// fetchFolder downloads a checkpoint that is a folder, as Hugging Face writes it.
func (j *job) fetchFolder(ctx context.Context, store storage.Store, prefix, dir string) error {
	found := false
	for object, err := range store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		name := filepath.FromSlash(strings.TrimPrefix(object.Key, prefix))
		if !filepath.IsLocal(name) {
			return contract.Failf(contract.CodeStorageError, "the checkpoint %s holds an object named %q.", store.URI(prefix), name)
		}
		if err := j.fetchKey(ctx, store, object.Key, filepath.Join(dir, name)); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return contract.Failf(contract.CodeStorageError, "there is nothing below %s.", store.URI(prefix)).WithHint("Check CHECKPOINT_PATH.")
	}
	return nil
}

func (j *job) fetchKey(ctx context.Context, store storage.Store, key, file string) error {
	body, _, err := store.Get(ctx, key, 0, -1, "")
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return j.ws.unwritable(err)
	}
	out, err := os.Create(file)
	if err != nil {
		return j.ws.unwritable(err)
	}
	if _, err := io.Copy(out, body); err != nil {
		_ = out.Close()
		return fmt.Errorf("fetching %s: %w", store.URI(key), err)
	}
	return out.Close()
}
