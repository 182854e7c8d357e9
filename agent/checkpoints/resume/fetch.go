package resume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

// fetchFile brings one object of the manifest below root: written beside,
// checked, renamed.
func fetchFile(ctx context.Context, opt Options, root *os.Root, f contract.ManifestFile) error {
	if dir := path.Dir(f.Name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	temp := f.Name + ".fetching"
	out, err := root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("writing the fetched checkpoint: %w", err)
	}
	err = fetchInto(ctx, opt, f, out)
	if err := errors.Join(err, out.Close()); err != nil {
		_ = root.Remove(temp)
		return err
	}
	return root.Rename(temp, f.Name)
}

func fetchInto(ctx context.Context, opt Options, f contract.ManifestFile, out *os.File) error {
	key := contract.CheckpointKey(opt.JobID, f.Name)
	info, err := opt.Store.Stat(ctx, key)
	if err != nil {
		return err
	}
	if info.Size != f.SizeBytes {
		return fmt.Errorf("%w: it has %d bytes in place of %d", errDamaged, info.Size, f.SizeBytes)
	}
	if _, err := download.Fetch(ctx, opt.Store, key, info.ETag, out); err != nil {
		return err
	}
	sum, err := upload.Digest(ctx, out, info.Size)
	if err != nil {
		return err
	}
	if sum != f.SHA256 {
		return fmt.Errorf("%w: its SHA-256 is %s in place of %s", errDamaged, sum, f.SHA256)
	}
	return nil
}
