package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/internal/download"
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
		if strings.HasSuffix(object.Key, "/") {
			continue // the mark of a folder, which consoles make
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
		return fmt.Errorf("there is nothing below %s: %w", store.URI(key), fs.ErrNotExist)
	}
	return nil
}

func fetchFile(ctx context.Context, store ObjectStore, key, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return unwritableInput(err)
	}
	partial := path + ".part"
	out, err := os.Create(partial)
	if err != nil {
		return unwritableInput(err)
	}
	_, err = download.Fetch(ctx, store, key, "", out)
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(partial, path) // what is there is whole
	}
	if err != nil {
		_ = os.Remove(partial)
		return fmt.Errorf("fetching %s: %w", store.URI(key), err)
	}
	return nil
}

func unwritableInput(err error) error {
	return contract.Failf(contract.CodeConfigInvalid, "what the job reads cannot be written to the workspace: %w.", err).
		WithHint("Set WORKSPACE_DIR to a folder that user %d can write to.", os.Getuid())
}
