package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	maxMissing  = 1000    // names reported
	maxSnapshot = 4 << 30 // bytes of an annotations file
)

// snapshot fetches the frozen annotations, which replace the dataset's own, and
// finds the images that they name and the dataset lacks. A snapshot without a
// file in the bucket only labels the job (contract, section 2).
func (f *fetcher) snapshot(ctx context.Context, d *Dataset) error {
	if f.SnapshotID == "" || f.store == nil {
		return nil
	}
	key := contract.SnapshotKey(f.ID, f.SnapshotID)
	path, sum, err := f.saveSnapshot(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		f.Log.Warn("the snapshot has no annotations of its own; the dataset's are used", "snapshot", f.store.URI(key))
		return nil
	}
	if err != nil {
		return err
	}
	d.AnnotationsPath, d.AnnotationsSHA256 = path, sum
	names, err := imageNames(path)
	if err != nil {
		return contract.Failf(contract.CodeDatasetInvalid, "the snapshot %s cannot be read: %w", f.store.URI(key), err).
			WithHint("Freeze the dataset again.")
	}
	d.Missing, d.MissingCount = missing(d.Dir, names)
	return nil
}

func (f *fetcher) saveSnapshot(ctx context.Context, key string) (path, sum string, err error) {
	r, info, err := f.store.Get(ctx, key, 0, -1, "")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = r.Close() }()
	if info.Size > maxSnapshot {
		return "", "", contract.Failf(contract.CodeDatasetTooLarge, "the snapshot %s has %s", f.store.URI(key), human(info.Size))
	}
	dir := filepath.Join(f.Dir, "snapshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", tree.Explain(dir, err)
	}
	path = filepath.Join(dir, url.PathEscape(f.SnapshotID)+".json")
	out, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return "", "", tree.Explain(path, err)
	}
	h := sha256.New()
	if _, err = io.Copy(io.MultiWriter(out, h), r); err == nil {
		err = out.Commit()
	}
	if err == nil {
		return path, hex.EncodeToString(h.Sum(nil)), nil
	}
	_ = out.Abort()
	if _, failure := errors.AsType[*contract.Failure](err); failure || ctx.Err() != nil {
		return "", "", err
	}
	return "", "", tree.Explain(path, err)
}

// missing counts under both readings of file_name, relative to images/ and to
// the dataset, and reports by the one that fits more: it is one reading per
// dataset (contract, section 6).
func missing(dir string, names []string) ([]string, int) {
	var best []string
	count := -1
	for _, root := range []string{filepath.Join(dir, "images"), dir} {
		var lost []string
		n := 0
		for _, name := range names {
			clean, err := tree.Clean(name)
			if err == nil {
				if _, err = os.Lstat(filepath.Join(root, clean)); err == nil {
					continue
				}
			}
			if n++; len(lost) < maxMissing {
				lost = append(lost, name)
			}
		}
		if count < 0 || n < count {
			best, count = lost, n
		}
	}
	return best, max(0, count)
}
