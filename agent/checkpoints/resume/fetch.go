package resume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	fetchPart   = 32 << 20 // bytes of one ranged read
	fetchAtOnce = 4
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
	err = fetchParts(ctx, opt.Store, info, out)
	if errors.Is(err, contract.ErrNoRanges) {
		err = fetchRange(ctx, opt.Store, info, out, 0, info.Size)
	}
	if err != nil {
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

func fetchParts(ctx context.Context, s Store, info contract.ObjectInfo, out *os.File) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchAtOnce)
	for at := int64(0); at < info.Size; at += fetchPart {
		g.Go(func() error { return fetchRange(ctx, s, info, out, at, min(fetchPart, info.Size-at)) })
	}
	return g.Wait()
}

func fetchRange(ctx context.Context, s Store, info contract.ObjectInfo, out *os.File, at, length int64) error {
	body, _, err := s.Get(ctx, info.Key, at, length, info.ETag)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(out, at), io.LimitReader(body, length))
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	if n != length {
		return fmt.Errorf("reading %s: %w at byte %d", info.Key, io.ErrUnexpectedEOF, at+n)
	}
	return nil
}
