package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
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
	partial map[string]partial      // files of a folder that earlier tries brought up
	meter   *meter
	own     atomic.Bool // it reads a private snapshot, which nobody can change
	cancel  context.CancelCauseFunc
}

// partial is a file of a folder that is up while the folder is not.
type partial struct {
	version version
	file    contract.ManifestFile
}

type heldObject struct {
	size int64
	sha  string
}

// uploader carries tasks out. It is used by several workers at once.
type uploader struct {
	store   store
	dir     string
	scratch string
	key     func(name string) string
	now     func() time.Time
	hashes  hashCache
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
		if up, ok := t.partial[name]; ok && up.version == f.version {
			t.meter.add(f.version.size)
			done = append(done, up.file)
			continue
		}
		m, err := u.file(ctx, t, f, name)
		if err != nil {
			return nil, fmt.Errorf("uploading %s to %s: %w", f.rel, name, err)
		}
		if t.want.source.folder {
			t.partial[name] = partial{f.version, m}
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

func (u *uploader) file(ctx context.Context, t *task, f file, name string) (m contract.ManifestFile, err error) {
	m = contract.ManifestFile{Name: name, SizeBytes: f.version.size, Time: contract.At(u.now()), Source: f.rel}
	snap, err := take(ctx, u.dir, u.scratch, f, t.private)
	if err != nil {
		return m, err
	}
	t.own.Store(snap.source == nil)
	m.Epoch = epochInside(snap.file, m.SizeBytes)

	ctx, cancel := context.WithCancel(ctx)
	hash := u.hashes.start(ctx, snap)
	defer func() {
		cancel()
		_, _ = hash.wait()
		if err != nil { // the file's own change explains any other error
			err = errors.Join(snap.second(), err)
		}
		snap.close()
	}()
	if t.mayHaveTwin(name, m.SizeBytes) {
		if m.SHA256, err = hash.wait(); err != nil {
			return m, err
		}
		if t.held[name] == (heldObject{m.SizeBytes, m.SHA256}) && u.present(ctx, m) {
			t.meter.add(m.SizeBytes)
			return m, snap.second()
		}
		if u.copied(ctx, t, m, snap) {
			return m, nil
		}
	}
	return m, u.put(ctx, t, &m, snap, hash)
}

// put uploads the bytes. The commit hook runs between the last byte and the
// object's visibility.
func (u *uploader) put(ctx context.Context, t *task, m *contract.ManifestFile, snap *snapshot, hash *hashing) error {
	commit := func() (err error) {
		if m.SHA256, err = hash.wait(); err != nil {
			return err
		}
		return snap.second()
	}
	info, err := u.store.Put(ctx, u.key(m.Name), newBody(ctx, snap.file, m.SizeBytes, t.meter), m.SizeBytes, commit)
	if err == nil && info.Size != m.SizeBytes {
		err = fmt.Errorf("the store holds %d bytes in place of %d", info.Size, m.SizeBytes)
	}
	return err
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

// present makes sure that an object which the manifest names is really there.
func (u *uploader) present(ctx context.Context, m contract.ManifestFile) bool {
	info, err := u.store.Stat(ctx, u.key(m.Name))
	return err == nil && info.Size == m.SizeBytes
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

// changed reports whether an upload was given up because the file moved on; it
// is then simply done again with the next look.
func changed(err error) bool { return errors.Is(err, errChanged) }
