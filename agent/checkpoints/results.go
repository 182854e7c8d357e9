package checkpoints

import (
	"cmp"
	"errors"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/contract"
)

// takeUpload books what an upload came to.
func (l *loop) takeUpload(f *flight, files []contract.ManifestFile, err error) {
	l.pool.land(f)
	if err != nil {
		l.takeFailure(f, err)
		return
	}
	c, name, now := f.c, f.place.name, l.opt.Now()
	c.arrive()
	delete(l.pool.retries, name)
	l.board.uploaded(f.task.Source, now)
	before := l.keeper.ledger.Gather(name, f.task.Source.Folder)
	if c.epoch == 0 {
		c.epoch = l.epochs.decide(f.task.Source, files, l.keeper.ledger, before, l.end != nil)
	}
	label(l.opt.History, files, c.epoch)
	e := &manifest.Entry{Name: name, Stamp: c.stamp, Role: roleAt(f), Folder: f.task.Source.Folder, Staged: f.place.staged, Files: files}
	l.keeper.book(e, before)
	l.keeper.prune(l.opt.Keep, func(name string) bool { return wanted(l.wants, name) })
	if e.Role != naming.Result && !e.Staged {
		l.keeper.unnamed = append(l.keeper.unnamed, e)
	}
	l.catchUp() // an equal file may be up since before, and not know its epoch
}

// label gives the files of a checkpoint their epoch and its metrics.
func label(history History, files []contract.ManifestFile, epoch int) {
	for i := range files {
		files[i].Epoch, files[i].Metrics = epoch, nil
		if epoch > 0 {
			files[i].Metrics = history.Metrics(epoch)
		}
	}
}

// roleAt is what the name means, which is not what the file's own name says
// where last is made from the newest epoch.
func roleAt(f *flight) naming.Role {
	if f.task.Source.Role == naming.Result {
		return naming.Result
	}
	return naming.Of(f.place.name)
}

func (l *loop) takeFailure(f *flight, err error) {
	name, now := f.place.name, l.opt.Now()
	r := l.pool.retry(name)
	r.err, r.partial = reason(err), f.task.Partial
	if upload.Changed(err) {
		f.c.startOver(now)
		l.lookout.hurry(now)
		l.reports.log.Debug("a checkpoint changed while it was uploaded; starting over", "name", name, "error", err)
		return
	}
	f.c.refuse()
	l.board.failed()
	r.refused(err, now)
	l.reports.log.Warn("a checkpoint could not be uploaded; trying again", "name", name, "try", r.failures, "error", err)
	l.reports.failed(name, r)
}

// reason is what is told of an upload that failed: a store that does not take it is
// the reason, also where the file was written to meanwhile.
func reason(err error) error {
	if refused, ok := errors.AsType[*contract.Failure](err); ok && upload.Changed(err) {
		return refused
	}
	return err
}

// takeManifest takes what an earlier run of the job left.
func (l *loop) takeManifest(m contract.Manifest, err error) {
	l.keeper.loading = false
	if err != nil && !manifest.Unreadable(err) {
		l.manifestFailed(err)
		return
	}
	if err != nil {
		l.reports.log.Warn("the manifest of an earlier run cannot be read and is replaced", "error", err)
		m = contract.Manifest{}
	}
	l.keeper.take(m)
}

// takeWritten announces what the manifest was the first to name: a checkpoint is saved
// once a later run would find it.
func (l *loop) takeWritten(named int, deleted []string, err error) {
	if err != nil {
		l.keeper.writing, l.keeper.dirty = false, true
		l.manifestFailed(err)
		return
	}
	for _, e := range l.keeper.written(named, deleted) {
		l.reports.saved(e, e.URI(l.opt.Store.URI, contract.CheckpointPrefix(l.opt.JobID)), l.epochs.best())
	}
}

func (l *loop) manifestFailed(err error) {
	r := &l.keeper.retry
	r.refused(err, l.opt.Now())
	l.reports.log.Warn("the manifest of the checkpoints cannot be reached; trying again", "try", r.failures, "error", err)
	l.reports.failed(manifestName, r)
}

// learn takes into account what was reported: a plan may change, an epoch that was
// not known may be known now, and metrics may come after their checkpoint.
func (l *loop) learn() {
	l.plan()
	l.catchUp()
}

// catchUp fills in what the reports, or an equal file that names its epoch, have said
// since a checkpoint went up.
func (l *loop) catchUp() {
	for _, c := range l.fleet.at {
		if c.epoch > 0 || c.state != uploaded || c.src.Role != naming.Best && c.src.Role != naming.Last {
			continue
		}
		for _, e := range l.keeper.ledger.Entries {
			if e.Stamp != c.stamp || e.Epoch() != 0 {
				continue
			}
			if c.epoch = cmp.Or(l.keeper.ledger.EpochOfContent(e.Files), l.epochs.at(c.src.Written(), l.end != nil)); c.epoch != 0 {
				label(l.opt.History, e.Files, c.epoch)
				l.keeper.dirty = true
			}
		}
	}
	l.keeper.dirty = l.keeper.ledger.Fill(l.opt.History) || l.keeper.dirty
}
