package manifest

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Epochs is the history of the job; job.Tracker is one.
type Epochs interface {
	Metrics(epoch int) contract.Metrics
	Best() (job.Value, bool)
	History() []contract.EpochMetrics
}

// Ledger is the manifest while it grows: what the bucket holds by name.
type Ledger struct {
	Entries map[string]*Entry
	Failed  []contract.ManifestFailed
	earlier []contract.EpochMetrics // of earlier runs
}

// LedgerOf reads an earlier run's manifest. A name that could leave the prefix is
// dropped.
func LedgerOf(m contract.Manifest) *Ledger {
	l := &Ledger{Entries: map[string]*Entry{}, earlier: m.History}
	for _, f := range m.Files {
		if f.Name == "" || naming.Clean(f.Name) != f.Name {
			continue
		}
		name, inFolder := naming.InFolder(f.Name)
		if !inFolder {
			name = f.Name
		}
		e := l.Entries[name]
		if e == nil {
			e = &Entry{Name: name, Folder: inFolder, Role: naming.Of(name)}
			l.Entries[name] = e
		}
		e.Files = append(e.Files, f)
	}
	return l
}

// Gather returns the entry of a name. What an earlier run's manifest listed file
// by file becomes part of it when the name turns out to be a folder.
func (l *Ledger) Gather(name string, folder bool) *Entry {
	e := l.Entries[name]
	if !folder {
		return e
	}
	for inner, one := range l.Entries {
		if !strings.HasPrefix(inner, name+"/") {
			continue
		}
		if e == nil {
			e = &Entry{Name: name, Folder: true}
		}
		e.Files = append(e.Files, one.Files...)
		delete(l.Entries, inner)
	}
	return e
}

// Holder is the name of the entry that a file of the manifest belongs to.
func (l *Ledger) Holder(file string) string {
	for name, e := range l.Entries {
		if file == name || e.Folder && strings.HasPrefix(file, name+"/") {
			return name
		}
	}
	return ""
}

// EpochOfContent is the epoch of another object with the content of this checkpoint, 0
// when none says; the latest of several, in which nothing was learned. Folders have files
// that are equal in every epoch.
func (l *Ledger) EpochOfContent(files []contract.ManifestFile) (epoch int) {
	if len(files) != 1 {
		return 0
	}
	for _, e := range l.Entries {
		for _, f := range e.Files {
			if f.SHA256 == files[0].SHA256 && f.Name != files[0].Name {
				epoch = max(epoch, f.Epoch)
			}
		}
	}
	return epoch
}

// Admitted are the epochs that are kept by frequency.
func (l *Ledger) Admitted() []int {
	var epochs []int
	for _, e := range l.Entries {
		if e.Role == naming.Epoch && !e.Staged {
			epochs = append(epochs, e.Epoch())
		}
	}
	slices.Sort(epochs)
	return epochs
}

// Find returns the entry of a role that a reader should take: the one that can
// be trained further before an export, the newest of those by epoch, then by time.
// nil is none.
func (l *Ledger) Find(r naming.Role) *Entry {
	var found []*Entry
	for _, e := range l.Entries {
		if e.Role == r {
			found = append(found, e)
		}
	}
	return Newest(found)
}

// HasModel reports whether any model is up.
func (l *Ledger) HasModel() bool {
	for _, e := range l.Entries {
		if e.Model() {
			return true
		}
	}
	return false
}

// Newest is the entry that a reader should take of many.
func Newest(found []*Entry) *Entry {
	if len(found) == 0 {
		return nil
	}
	return slices.MinFunc(found, func(a, b *Entry) int {
		return cmp.Or(
			-boolCompare(naming.Resumable(a.Name), naming.Resumable(b.Name)),
			cmp.Compare(b.Epoch(), a.Epoch()),
			b.Time().Compare(a.Time()),
			cmp.Compare(a.Name, b.Name))
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

// Resumable are the checkpoints from which training can go on: of the highest
// epoch first, and of one epoch `last` before `epoch-n` before `best`, which may
// be a model without its optimiser. A `last` of unknown epoch is taken as newest.
func (l *Ledger) Resumable() []*Entry {
	var found []*Entry
	for _, e := range l.Entries {
		if e.Role != naming.Other && e.Role != naming.Result && naming.Resumable(e.Name) {
			found = append(found, e)
		}
	}
	age := func(e *Entry) int {
		if e.Role == naming.Last && e.Epoch() == 0 {
			return math.MaxInt
		}
		return e.Epoch()
	}
	rank := map[naming.Role]int{naming.Last: 0, naming.Epoch: 1, naming.Best: 2}
	slices.SortFunc(found, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(age(b), age(a)), cmp.Compare(rank[a.Role], rank[b.Role]),
			b.Time().Compare(a.Time()), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// Fill gives the files whose epoch is known the metrics that were reported since
// (some trainers save first and report then), and reports whether there were any.
func (l *Ledger) Fill(epochs Epochs) (filled bool) {
	for _, e := range l.Entries {
		for i, f := range e.Files {
			if f.Metrics != nil || f.Epoch == 0 {
				continue
			}
			e.Files[i].Metrics = epochs.Metrics(f.Epoch)
			filled = filled || e.Files[i].Metrics != nil
		}
	}
	return filled
}

// Manifest is the ledger in the words of the contract, in a stable order.
func (l *Ledger) Manifest(id string, epochs Epochs, at time.Time) contract.Manifest {
	m := contract.Manifest{
		JobID: id, Updated: contract.At(at), Files: []contract.ManifestFile{}, Failed: l.Failed, History: l.history(epochs),
	}
	if best, ok := epochs.Best(); ok {
		m.BestEpoch = best.Epoch
	}
	for _, e := range l.Entries {
		if e.Role == naming.Result {
			continue
		}
		for _, f := range e.Files {
			if reported := epochs.Metrics(f.Epoch); len(reported) > 0 && f.Epoch > 0 {
				f.Metrics = reported
			}
			f.IsBest = e.Role == naming.Best || m.BestEpoch > 0 && f.Epoch == m.BestEpoch && e.Role != naming.Other
			m.Files = append(m.Files, f)
			m.LastEpoch = max(m.LastEpoch, f.Epoch)
		}
	}
	slices.SortFunc(m.Files, func(a, b contract.ManifestFile) int { return cmp.Compare(a.Name, b.Name) })
	if best := l.Find(naming.Best); m.BestEpoch == 0 && best != nil {
		m.BestEpoch = best.Epoch()
	}
	return m
}

// maxHistory bounds the epochs that a manifest lists; it is written with every
// checkpoint.
const maxHistory = 10_000

// history is that of this run, and of earlier ones what this run has not reported.
func (l *Ledger) history(epochs Epochs) []contract.EpochMetrics {
	all := epochs.History()
	reported := make(map[int]bool, len(all))
	for _, e := range all {
		reported[e.Epoch] = true
	}
	for _, e := range l.earlier {
		if e.Epoch > 0 && !reported[e.Epoch] {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b contract.EpochMetrics) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return all[max(0, len(all)-maxHistory):]
}
