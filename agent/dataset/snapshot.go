package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

const (
	maxMissing  = 1000    // names reported
	maxSnapshot = 4 << 30 // bytes of an annotations file
)

// frozen is a fetch of a snapshot's annotations.
type frozen struct{ *fetcher }

// snapshot fetches the frozen annotations, which replace the dataset's own, and
// finds the images that they name and the dataset lacks. A snapshot without a
// file in the bucket only labels the job (contract, section 2).
func (f frozen) snapshot(ctx context.Context, d *Dataset) error {
	if f.SnapshotID == "" {
		return nil
	}
	if f.store == nil {
		f.Log.Warn("SNAPSHOT_ID is not followed: there is no bucket to fetch the snapshot from; the dataset's own annotations are used", "snapshot", f.SnapshotID)
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
	names, err := readNames(path, f.store.URI(key))
	if err != nil {
		return err
	}
	f.missing(d, names)
	return nil
}

func readNames(path, address string) (platform.FileNames, error) {
	file, err := os.Open(path)
	if err != nil {
		return platform.FileNames{}, fmt.Errorf("reading the snapshot: %w", err)
	}
	defer func() { _ = file.Close() }()
	return platform.ReadFileNames(file, address)
}

// missing finds the images that the snapshot names and the dataset lacks, by the
// rules that the conversion will find them by. It only counts: a dataset that
// cannot be looked through is refused, or not, by the conversion.
func (f frozen) missing(d *Dataset, names platform.FileNames) {
	there, err := images.ReadTree(d.Dir)
	if err != nil {
		f.Log.Warn("the dataset is not compared with the snapshot", "error", err)
		return
	}
	match := there.Named(names.ImageRoot, names.Names)
	for i, name := range names.Names {
		if match.File(i) != "" {
			continue
		}
		if d.MissingCount++; len(d.Missing) < maxMissing {
			d.Missing = append(d.Missing, name)
		}
	}
}

func (f frozen) saveSnapshot(ctx context.Context, key string) (path, sum string, err error) {
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
