package checkpoints

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/contract"
)

// Summary is what a job left in the bucket, and what it could not leave there.
type Summary struct {
	Seen      bool                      // somebody looked for checkpoints; without it nothing else is known
	Artifacts []contract.Artifact       // checkpoints and outputs in the order of their names, one a folder, at most 499
	Best      string                    // URI of the best checkpoint, empty when there is none
	Last      string                    // URI of the last one
	Model     string                    // URI of the newest whole model whose name means neither
	Stored    string                    // URI of one that the training put into the bucket itself
	BestEpoch int                       // 1-based, 0 when it is not known
	LastEpoch int                       //
	Failed    []contract.ManifestFailed // on disk, not in the bucket, each with its reason
	Warnings  []string                  // what was left out on purpose, and what a name should have been
	Next      Next                      // what the job does when it is started again

	outputs int // files of an inference or export job that are up
	failure *contract.Failure
	torn    []contract.ManifestFailed
}

// Next is what a job does when it is started again.
type Next int

// Where the bucket could not be read it is not known.
const (
	NextUnknown    Next = iota
	NextResumes         // from a checkpoint that is stored
	NextStartsOver      // nothing to resume from is stored
)

// CheckpointPath is what `done` reports: the best checkpoint, else the last one, else
// the newest model, else what the training stored itself, or nil.
func (s Summary) CheckpointPath() *string {
	uri := cmp.Or(s.Best, s.Last, s.Model, s.Stored)
	if uri == "" {
		return nil
	}
	return &uri
}

// Failure is why a job whose training succeeded has nothing to show for it: the
// best checkpoint (or output) is on disk and could not be uploaded. It is nil
// when everything that matters is up.
func (s Summary) Failure() *contract.Failure { return s.failure }

// Complete counts the complete checkpoints that the job left, of an inference or export
// job its files: at least one when something is up, or would be if the store had taken it. A torn one is none. It is -1
// when nobody looked.
func (s Summary) Complete() int {
	if !s.Seen {
		return -1
	}
	if s.CheckpointPath() != nil || s.outputs > 0 || s.failure != nil {
		return 1
	}
	return 0
}

// Torn says what there is in place of a complete checkpoint: "best.ckpt is empty
// (0 bytes)". It is "" when there is nothing.
func (s Summary) Torn() string {
	if len(s.torn) == 0 {
		return ""
	}
	text := s.torn[0].Name + ": " + s.torn[0].Reason
	if what, ok := strings.CutPrefix(s.torn[0].Reason, "it "); ok {
		text = s.torn[0].Name + " " + what
	}
	if n := len(s.torn) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// maxArtifacts bounds what `done` names, so that no backend refuses it for its size;
// training.log comes to it.
const maxArtifacts = 499

// describe says what the ledger holds at the end.
func (l closing) describe(s *Summary) {
	prefix := contract.CheckpointPrefix(l.opt.JobID)
	ledger := l.keeper.ledger
	m := ledger.Manifest(l.opt.JobID, l.opt.History, l.opt.Now())
	s.BestEpoch, s.LastEpoch = m.BestEpoch, m.LastEpoch
	uri := func(e *manifest.Entry) string {
		if e == nil {
			return ""
		}
		return e.URI(l.opt.Store.URI, prefix)
	}
	s.Best, s.Last = uri(ledger.Find(naming.Best)), uri(ledger.Find(naming.Last))
	if s.Best == "" && s.Last == "" {
		s.takeModel(ledger, uri)
	}
	if l.keeper.loaded {
		s.Next = NextStartsOver
		if len(ledger.Resumable()) > 0 {
			s.Next = NextResumes
		}
	}
	if len(l.fleet.hidden) > 0 && s.Complete() == 0 {
		s.warn("Folders whose names begin with a dot are not looked into, and there are models in these: %s.", strings.Join(l.fleet.hidden, ", "))
	}
	for _, f := range l.reports.faults {
		s.warn("The agent has a bug: it panicked over %s (%v) and went on without it. Report it with the log.", naming.Clean(f.Rel), f.Err)
	}
	s.list(m.Files, func(name string) string { return l.opt.Store.URI(prefix + name) })
	if len(s.torn) > 0 && s.Complete() > 0 {
		s.warn("A checkpoint was not uploaded: %s", s.Torn())
	}
}

// takeModel takes any whole model where no name means best or last, and says which
// names do. An epoch is a better answer than a name that says nothing.
func (s *Summary) takeModel(ledger *manifest.Ledger, uri func(*manifest.Entry) string) {
	var models []*manifest.Entry
	for _, e := range ledger.Entries {
		if e.Role == naming.Epoch || e.Role == naming.Other && e.Model() {
			models = append(models, e)
		}
	}
	e := manifest.Newest(models)
	if e == nil {
		return
	}
	s.Model = uri(e)
	s.warn("No checkpoint is named as the best or the last one, so %s counts as the result. Name them best.* (or model_best.*) and last.* (or latest.*): only those are known as best, and only last.*, best.* and epoch-N.* are resumed from.", e.Name)
}

func (s *Summary) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// list makes the artifacts: one a file, and one for all that lies in a folder.
func (s *Summary) list(files []contract.ManifestFile, uri func(name string) string) {
	var order []string
	folders := map[string][]contract.ManifestFile{}
	for _, f := range files {
		name := f.Name
		if folder, _, deep := strings.Cut(f.Name, "/"); deep {
			name = folder + "/"
		}
		if folders[name] == nil {
			order = append(order, name)
		}
		folders[name] = append(folders[name], f)
	}
	if len(order) > maxArtifacts {
		slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
		s.warn("%d more files are in the bucket than are named here.", len(order)-maxArtifacts)
		order = order[:maxArtifacts]
		slices.Sort(order)
	}
	for _, name := range order {
		s.Artifacts = append(s.Artifacts, artifact(name, folders[name], uri))
	}
}

func artifact(name string, files []contract.ManifestFile, uri func(name string) string) contract.Artifact {
	a := contract.Artifact{Name: name, Path: uri(name)}
	for _, f := range files {
		a.SizeBytes += f.SizeBytes
	}
	if a.SHA256 = files[0].SHA256; strings.HasSuffix(name, "/") {
		a.Path = uri(strings.TrimSuffix(name, "/")) + "/"
		a.SHA256 = manifest.Digest(files)
	}
	return a
}

// rank puts first what a final callback points to: folders, and the files that
// section 5 of the contract names.
func rank(name string) int {
	switch naming.Of(name) {
	case naming.Best, naming.Last:
		return 0
	}
	stem, _, _ := strings.Cut(name, ".")
	if strings.HasSuffix(name, "/") || slices.Contains([]string{"model", "results", "metadata", "package"}, stem) {
		return 0
	}
	return 1
}
