package download

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

const (
	part   = 32 << 20 // bytes of one ranged read
	atOnce = 4
)

// Fetch brings a whole object into out, in parallel ranges when it is large. The
// version is etag or, if that is empty, the one that answers first.
func Fetch(ctx context.Context, src Source, key, etag string, out io.WriterAt) (contract.ObjectInfo, error) {
	info, err := fetchRanges(ctx, src, key, etag, out)
	if errors.Is(err, contract.ErrNoRanges) {
		return fetchFirst(ctx, src, key, etag, out, -1)
	}
	return info, err
}

func fetchRanges(ctx context.Context, src Source, key, etag string, out io.WriterAt) (contract.ObjectInfo, error) {
	info, err := fetchFirst(ctx, src, key, etag, out, part)
	if err != nil {
		return info, err
	}
	g, ctx := crew.WithContext(ctx)
	g.SetLimit(atOnce)
	for at := int64(part); at < info.Size; at += part {
		g.Go(func() error {
			body, now, err := src.Get(ctx, key, at, min(part, info.Size-at), info.ETag)
			if err != nil {
				return err
			}
			if now.Size != info.Size {
				return errors.Join(Changed(key), body.Close())
			}
			return write(out, body, key, at, min(part, info.Size-at))
		})
	}
	return info, g.Wait()
}

// fetchFirst asks for the whole object and reads at most limit bytes of it, all if
// limit is negative. A range could not be asked for: the object may be empty.
func fetchFirst(ctx context.Context, src Source, key, etag string, out io.WriterAt, limit int64) (contract.ObjectInfo, error) {
	body, info, err := src.Get(ctx, key, 0, -1, etag)
	if err != nil {
		return info, err
	}
	length := info.Size
	if limit >= 0 {
		length = min(length, limit)
	}
	return info, write(out, body, key, 0, length)
}

func write(out io.WriterAt, body io.ReadCloser, key string, at, length int64) error {
	n, err := io.Copy(io.NewOffsetWriter(out, at), io.LimitReader(body, length))
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	if n != length {
		return fmt.Errorf("reading %s: %w at byte %d of %d", key, io.ErrUnexpectedEOF, at+n, at+length)
	}
	return nil
}
