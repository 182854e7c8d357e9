package checkpoints

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// entry is one name of the bucket with what it holds.
type entry struct {
	name   string
	stamp  string // of the source that it was made from; empty for an earlier run's
	role   role
	folder bool
	staged bool
	files  []contract.ManifestFile // Name is relative to the prefix
}

func (e *entry) size() int64 {
	var n int64
	for _, f := range e.files {
		n += f.SizeBytes
	}
	return n
}

func (e *entry) epoch() int {
	if len(e.files) == 0 {
		return 0
	}
	return e.files[0].Epoch
}

func (e *entry) time() time.Time {
	if len(e.files) == 0 {
		return time.Time{}
	}
	return e.files[0].Time.Time
}

// ledger is the manifest while it grows: what the bucket holds by name.
type ledger struct {
	entries map[string]*entry
	failed  []contract.ManifestFailed
}

// folderName is the first component of names that are folders' by convention.
var folderName = lazily(`^(?:best|last|model|epoch-\d+|checkpoint-\d+)$`)

// ledgerOf reads an earlier run's manifest. A name that could leave the prefix
// is dropped.
func ledgerOf(m contract.Manifest) *ledger {
	l := &ledger{entries: map[string]*entry{}}
	for _, f := range m.Files {
		if f.Name == "" || clean(f.Name) != f.Name {
			continue
		}
		name, _, inFolder := strings.Cut(f.Name, "/")
		inFolder = inFolder && folderName().MatchString(name)
		if !inFolder {
			name = f.Name
		}
		e := l.entries[name]
		if e == nil {
			e = &entry{name: name, folder: inFolder, role: roleOfName(name)}
			l.entries[name] = e
		}
		e.files = append(e.files, f)
	}
	return l
}

// roleOfName reads the role from the name that this package gave.
func roleOfName(name string) role {
	stem, ext, _ := splitModel(name)
	if strings.Contains(name, "/") {
		return roleOther
	}
	return identifyStem(stem, ext).role
}

// gather returns the entry of a name. What an earlier run's manifest listed file
// by file becomes part of it when the name turns out to be a folder.
func (l *ledger) gather(name string, folder bool) *entry {
	e := l.entries[name]
	if !folder {
		return e
	}
	for inner, one := range l.entries {
		if !strings.HasPrefix(inner, name+"/") {
			continue
		}
		if e == nil {
			e = &entry{name: name, folder: true}
		}
		e.files = append(e.files, one.files...)
		delete(l.entries, inner)
	}
	return e
}

// epochOfContent is the epoch of an object with this content, 0 when none says.
func (l *ledger) epochOfContent(sha string, except string) int {
	for _, e := range l.entries {
		for _, f := range e.files {
			if f.SHA256 == sha && f.Name != except && f.Epoch > 0 {
				return f.Epoch
			}
		}
	}
	return 0
}

// admitted are the epochs that are kept by frequency.
func (l *ledger) admitted() []int {
	var epochs []int
	for _, e := range l.entries {
		if e.role == roleEpoch && !e.staged {
			epochs = append(epochs, e.epoch())
		}
	}
	slices.Sort(epochs)
	return epochs
}

// find returns the entry of a role that a reader should take: the one that can
// be trained further before an export, the newest of those.
func (l *ledger) find(r role) *entry {
	var found []*entry
	for _, e := range l.entries {
		if e.role == r {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return slices.MinFunc(found, func(a, b *entry) int {
		return cmp.Or(
			-boolCompare(resumable(a.name), resumable(b.name)),
			-a.time().Compare(b.time()),
			cmp.Compare(a.name, b.name))
	})
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// manifest is the ledger in the words of the contract, in a stable order.
func (l *ledger) manifest(job string, h *history, at time.Time) contract.Manifest {
	m := contract.Manifest{
		JobID: job, Updated: contract.At(at), Files: []contract.ManifestFile{},
		Failed: l.failed, History: h.epochs, BestEpoch: h.best(),
	}
	for _, e := range l.entries {
		if e.role == roleResult {
			continue
		}
		for _, f := range e.files {
			if reported := h.metrics(f.Epoch); reported != nil {
				f.Metrics = reported
			}
			f.IsBest = e.role == roleBest || m.BestEpoch > 0 && f.Epoch == m.BestEpoch && e.role != roleOther
			m.Files = append(m.Files, f)
			m.LastEpoch = max(m.LastEpoch, f.Epoch)
		}
	}
	slices.SortFunc(m.Files, func(a, b contract.ManifestFile) int { return cmp.Compare(a.Name, b.Name) })
	if best := l.find(roleBest); m.BestEpoch == 0 && best != nil {
		m.BestEpoch = best.epoch()
	}
	return m
}

// uri is where a reader finds the entry: an object, or a folder with a slash.
func (e *entry) uri(s store, prefix string) string {
	if e.folder {
		return s.URI(prefix+e.name) + "/"
	}
	return s.URI(prefix + e.name)
}
