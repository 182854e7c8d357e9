// Package upload brings one checkpoint to one name of the bucket. It promises that an
// object becomes visible only if its file held still from the look to the last byte,
// that equal content is copied by the store in place of being sent again, and that a
// folder goes on where its upload broke. It leaves to its caller what goes up when,
// and when to try again.
package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
)

// Uploader carries tasks out. It is used by several workers at once.
type Uploader struct {
	Store   Store
	Dir     string // OUTPUT_DIR
	Scratch string // for private snapshots; none are made without it
	Key     func(name string) string
	Now     func() time.Time
	hashes  hashCache
}

// Upload brings every file of the task up and returns what the manifest says of
// them; Epoch is what is written inside. A folder counts only if it is the same
// after its last file.
func (u *Uploader) Upload(ctx context.Context, t *Task) ([]contract.ManifestFile, error) {
	var done []contract.ManifestFile
	for _, f := range t.Source.Files {
		name := t.Name
		if t.Source.Folder {
			name += "/" + f.Sub
		}
		if up, ok := t.Partial[name]; ok && up.Version.Same(f.Version) {
			t.Meter.add(f.Version.Size)
			done = append(done, up.File)
			continue
		}
		m, err := u.File(ctx, t, f, name)
		if err != nil {
			return nil, fmt.Errorf("uploading %s to %s: %w", f.Rel, name, err)
		}
		if t.Source.Folder {
			t.Partial[name] = Partial{f.Version, m}
		}
		done = append(done, m)
	}
	if t.Source.Folder {
		if err := u.unchanged(t.Source); err != nil {
			return nil, fmt.Errorf("uploading the folder %s: %w", t.Source.Rel, err)
		}
	}
	return done, nil
}

// unchanged is the second look at a folder.
func (u *Uploader) unchanged(src scan.Source) error {
	root, err := scan.OpenDir(u.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, f := range src.Files {
		info, err := root.Stat(f.Rel)
		if err != nil || !scan.VersionOf(info).Same(f.Version) {
			return fmt.Errorf("%w: %s", ErrChanged, f.Rel)
		}
	}
	return nil
}

// File brings one file up under a name below the prefix.
func (u *Uploader) File(ctx context.Context, t *Task, f scan.File, name string) (m contract.ManifestFile, err error) {
	m = contract.ManifestFile{Name: name, SizeBytes: f.Version.Size, Time: contract.At(u.Now()), Source: f.Rel}
	snap, err := take(ctx, u.Dir, u.Scratch, f, t.Private)
	if err != nil {
		return m, err
	}
	t.own.Store(snap.source == nil)
	m.Epoch = format.EpochInside(snap.file, m.SizeBytes)

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
	if t.mayHaveEqual(name, m.SizeBytes) {
		if m.SHA256, err = hash.wait(); err != nil {
			return m, err
		}
		if t.Held[name] == (Held{m.SizeBytes, m.SHA256}) && u.present(ctx, m) {
			t.Meter.add(m.SizeBytes)
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
func (u *Uploader) put(ctx context.Context, t *Task, m *contract.ManifestFile, snap *snapshot, hash *hashing) error {
	commit := func() (err error) {
		if m.SHA256, err = hash.wait(); err != nil {
			return err
		}
		return snap.second()
	}
	info, err := u.Store.Put(ctx, u.Key(m.Name), newBody(ctx, snap.file, m.SizeBytes, t.Meter), m.SizeBytes, commit)
	if err == nil && info.Size != m.SizeBytes {
		err = fmt.Errorf("the store holds %d bytes in place of %d", info.Size, m.SizeBytes)
	}
	return err
}

// present makes sure that an object which the manifest names is really there.
func (u *Uploader) present(ctx context.Context, m contract.ManifestFile) bool {
	info, err := u.Store.Stat(ctx, u.Key(m.Name))
	return err == nil && info.Size == m.SizeBytes
}

// copied has the store copy an equal object, when there is one. Any failure of
// it is made good by an upload.
func (u *Uploader) copied(ctx context.Context, t *Task, m contract.ManifestFile, snap *snapshot) bool {
	for _, other := range t.Equals {
		if other.SHA256 != m.SHA256 || other.SizeBytes != m.SizeBytes {
			continue
		}
		if snap.second() != nil {
			return false
		}
		info, err := u.Store.Copy(ctx, u.Key(other.Name), u.Key(m.Name))
		if err == nil && info.Size == m.SizeBytes {
			t.Meter.add(m.SizeBytes)
			return true
		}
	}
	return false
}

// Changed reports whether an upload was given up because the file moved on; it
// is then simply done again with the next look.
func Changed(err error) bool { return errors.Is(err, ErrChanged) }
