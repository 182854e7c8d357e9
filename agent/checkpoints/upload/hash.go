package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// hashing is a SHA-256 on its way.
type hashing struct {
	done chan struct{}
	sum  string // hex
	err  error
}

func (h *hashing) wait() (string, error) {
	<-h.done
	return h.sum, h.err
}

// hashCache remembers the last few digests by inode: timm gives one file three
// names.
type hashCache struct {
	mu     sync.Mutex
	recent []hashed
}

type hashed struct {
	version scan.Version
	sum     string
}

// maxHashed bounds the cache.
const maxHashed = 16

func (c *hashCache) get(v scan.Version) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.recent, func(h hashed) bool { return h.version.Same(v) })
	if i < 0 || v.Inode == 0 {
		return "", false
	}
	return c.recent[i].sum, true
}

func (c *hashCache) put(v scan.Version, sum string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = append(c.recent, hashed{v, sum})
	if len(c.recent) > maxHashed {
		c.recent = slices.Delete(c.recent, 0, 1)
	}
}

// start hashes the snapshot, which the caller must keep open until wait returns.
func (c *hashCache) start(ctx context.Context, snap *snapshot) *hashing {
	h := &hashing{done: make(chan struct{})}
	crew.Go(func() {
		defer close(h.done)
		if sum, ok := c.get(snap.want); ok {
			h.sum = sum
			return
		}
		h.err = stage.Guard(ctx, "hashing a checkpoint", func(ctx context.Context) (err error) {
			if h.sum, err = Digest(ctx, snap.file, snap.want.Size); err == nil {
				err = snap.second()
			}
			return err
		})
		if h.err == nil {
			c.put(snap.want, h.sum)
		}
	})
	return h
}

// Digest is the SHA-256 of the first size bytes of r, in hex.
func Digest(ctx context.Context, r io.ReaderAt, size int64) (string, error) {
	return digest(&readerAt{ctx: ctx, r: r, size: size})
}

// digest is the SHA-256 of all that r gives, in hex.
func digest(r io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, r, make([]byte, 256<<10)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
