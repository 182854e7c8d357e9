package checkpoints

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// task is one want on its way: everything that a worker needs, so that it
// shares no state with the loop.
type task struct {
	want    want
	private bool                    // the file changed under earlier uploads: copy it
	twins   []contract.ManifestFile // objects that may have the same content
	held    map[string]heldObject   // what the bucket holds under the names of this want
	meter   *meter
}

type heldObject struct {
	size int64
	sha  string
}

// uploader carries tasks out. It is used by several workers at once.
type uploader struct {
	store    store
	dir      string
	scratch  string
	throttle throttle
	key      func(name string) string
	now      func() time.Time
	hashes   *hashCache
}

// upload brings every file of the task up and returns what the manifest says of
// them. A folder counts only if it is the same after its last file.
func (u *uploader) upload(ctx context.Context, t *task) ([]contract.ManifestFile, error) {
	var done []contract.ManifestFile
	for _, f := range t.want.source.files {
		name := t.want.name
		if t.want.source.folder {
			name += "/" + f.sub
		}
		m, err := u.file(ctx, t, f, name)
		if err != nil {
			return nil, fmt.Errorf("uploading %s to %s: %w", f.rel, name, err)
		}
		done = append(done, m)
	}
	if t.want.source.folder {
		if err := u.unchanged(t.want.source); err != nil {
			return nil, fmt.Errorf("uploading the folder %s: %w", t.want.source.rel, err)
		}
	}
	return done, nil
}

// unchanged is the second look at a folder.
func (u *uploader) unchanged(src source) error {
	root, err := os.OpenRoot(u.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, f := range src.files {
		info, err := root.Stat(f.rel)
		if err != nil || versionOf(info) != f.version {
			return fmt.Errorf("%w: %s", errChanged, f.rel)
		}
	}
	return nil
}

func (u *uploader) file(ctx context.Context, t *task, f file, name string) (contract.ManifestFile, error) {
	m := contract.ManifestFile{
		Name: name, SizeBytes: f.version.size, Time: contract.At(u.now()), Source: f.rel,
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	snap, err := take(ctx, u.dir, u.scratch, f, t.private)
	if err != nil {
		return m, err
	}
	defer snap.close()
	m.Epoch = epochInside(snap.file, m.SizeBytes)

	hash := u.hashes.start(ctx, snap, f.version)
	defer hash.wait()
	if t.mayHaveTwin(name, m.SizeBytes) {
		if m.SHA256, err = hash.wait(); err != nil {
			return m, err
		}
		if held := t.held[name]; held.sha == m.SHA256 && held.size == m.SizeBytes {
			t.meter.add(m.SizeBytes)
			return m, snap.second()
		}
		if u.copied(ctx, t, m, snap) {
			return m, nil
		}
	}
	body := &meteredReader{ctx: ctx, r: snap.file, throttle: u.throttle, count: t.meter.count}
	info, err := u.store.Put(ctx, u.key(name), body, m.SizeBytes, func() (err error) {
		if m.SHA256, err = hash.wait(); err != nil {
			return err
		}
		return snap.second()
	})
	if err == nil && info.Size != m.SizeBytes {
		err = fmt.Errorf("the store holds %d bytes in place of %d", info.Size, m.SizeBytes)
	}
	return m, err
}

// mayHaveTwin tells whether it is worth hashing before the upload, in place of
// beside it.
func (t *task) mayHaveTwin(name string, size int64) bool {
	if h, ok := t.held[name]; ok && h.size == size {
		return true
	}
	for _, twin := range t.twins {
		if twin.SizeBytes == size {
			return true
		}
	}
	return false
}

// copied has the store copy an equal object, when there is one. Any failure of
// it is made good by an upload.
func (u *uploader) copied(ctx context.Context, t *task, m contract.ManifestFile, snap *snapshot) bool {
	for _, twin := range t.twins {
		if twin.SHA256 != m.SHA256 || twin.SizeBytes != m.SizeBytes {
			continue
		}
		if snap.second() != nil {
			return false
		}
		info, err := u.store.Copy(ctx, u.key(twin.Name), u.key(m.Name))
		if err == nil && info.Size == m.SizeBytes {
			t.meter.add(m.SizeBytes)
			return true
		}
	}
	return false
}

// hashing is a SHA-256 on its way.
type hashing struct {
	done chan struct{}
	sum  string
	err  error
}

func (h *hashing) wait() (string, error) {
	<-h.done
	return h.sum, h.err
}

// hashCache remembers the last few digests: timm gives one file three names.
type hashCache struct{ recent chan hashed }

type hashed struct {
	version version
	sum     string
}

func newHashCache() *hashCache {
	const remembered = 8
	return &hashCache{recent: make(chan hashed, remembered)}
}

func (c *hashCache) get(v version) (string, bool) {
	for range len(c.recent) {
		select {
		case h := <-c.recent:
			c.put(h)
			if h.version == v && v.inode != 0 {
				return h.sum, true
			}
		default:
		}
	}
	return "", false
}

func (c *hashCache) put(h hashed) {
	for {
		select {
		case c.recent <- h:
			return
		default:
		}
		select {
		case <-c.recent:
		default:
		}
	}
}

// start hashes the snapshot beside its upload. The caller must wait for it
// before it closes the snapshot.
func (c *hashCache) start(ctx context.Context, snap *snapshot, v version) *hashing {
	h := &hashing{done: make(chan struct{})}
	go func() {
		defer close(h.done)
		if sum, ok := c.get(v); ok {
			h.sum = sum
			return
		}
		digest := sha256.New()
		buf := make([]byte, 256<<10)
		_, err := io.CopyBuffer(struct{ io.Writer }{digest}, &readerAt{ctx: ctx, r: snap.file, size: v.size}, buf)
		if err == nil {
			err = snap.second()
		}
		if err != nil {
			h.err = err
			return
		}
		h.sum = hex.EncodeToString(digest.Sum(nil))
		c.put(hashed{v, h.sum})
	}()
	return h
}

// changed reports whether an upload was given up because the file moved on; it
// is then simply done again with the next look.
func changed(err error) bool { return errors.Is(err, errChanged) || errors.Is(err, os.ErrNotExist) }
