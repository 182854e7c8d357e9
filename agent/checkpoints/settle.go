package checkpoints

import (
	"os"
	"path"
	"time"
)

// verdict is the answer of a settler on one source.
type verdict struct {
	ok     bool
	again  time.Duration // when to look again; 0 = when it changes
	reason string        // why not, for a source that the end of the job leaves behind
}

// Reasons for which a file stays behind at the end of a job.
const (
	reasonCut     = "it is incomplete: the writer did not get to its end"
	reasonUnknown = "it was being written when the job ended, and its format has no end mark by which to tell whether it is whole"
	reasonWriting = "a process still has it open for writing"
)

// settler decides when a source is complete. A file is, when its format says
// that its end is there, no process has it open for writing, and size and
// modification time are the same in two looks that are Settle apart. Where one
// of the first two cannot be known, the quiet has to last longer.
type settler struct {
	quiet time.Duration
	looks map[string]*look // by path
}

type look struct {
	stamp    string
	since    time.Time
	accepted bool
}

// Factors on the quiet time, by what is unknown.
const (
	quietNoLease     = 8  // whether a process has it open
	quietNoEnd       = 8  // whether its end is there
	quietNeither     = 20 // either
	quietAfterWriter = 4  // before asking again, when a process has it open
)

// accept looks at a source. It is called with every view, so that a source that
// is gone can be forgotten by keep.
func (s *settler) accept(dir string, src source, now time.Time) verdict {
	l, stamp := s.looks[src.rel], src.stamp()
	if l == nil || l.stamp != stamp {
		l = &look{stamp: stamp, since: now}
		s.looks[src.rel] = l
	}
	if l.accepted {
		return verdict{ok: true}
	}
	if age := now.Sub(l.since); age < s.quiet {
		return verdict{again: s.quiet - age, reason: reasonUnknown}
	}
	found := examine(dir, src)
	need := s.quiet * time.Duration(found.factor())
	switch age := now.Sub(l.since); {
	case found.changed:
		l.since = now
		return verdict{again: s.quiet, reason: reasonUnknown}
	case found.writing:
		return verdict{again: s.quiet * quietAfterWriter, reason: reasonWriting}
	case found.end == cut:
		return verdict{reason: reasonCut}
	case age < need:
		return verdict{again: need - age, reason: reasonUnknown}
	}
	l.accepted = true
	return verdict{ok: true}
}

// acceptFinal is accept after the trainer's end: nobody writes any more, so a
// file that is whole needs no second look. After a crash a file without an end
// mark counts only if it was found quiet before.
func (s *settler) acceptFinal(dir string, src source, now time.Time, clean bool) verdict {
	l := s.looks[src.rel]
	if l != nil && l.accepted && l.stamp == src.stamp() {
		return verdict{ok: true}
	}
	found := examine(dir, src)
	switch {
	case found.writing || found.changed || !found.leases:
		return s.accept(dir, src, now)
	case found.end == cut:
		return verdict{reason: reasonCut}
	case found.end == endless && !clean:
		return verdict{reason: reasonUnknown}
	}
	return verdict{ok: true}
}

// keep forgets the sources that are gone.
func (s *settler) keep(v view) {
	there := make(map[string]bool, len(v.sources))
	for _, src := range v.sources {
		there[src.rel] = true
	}
	for rel := range s.looks {
		if !there[rel] {
			delete(s.looks, rel)
		}
	}
}

// findings are what the bytes and the kernel say of a source: the worst of its files.
type findings struct {
	end     wholeness
	writing bool
	leases  bool // the kernel could say whether there is a writer
	changed bool // not what the look saw
}

func (f findings) factor() int {
	switch {
	case f.end == whole && f.leases:
		return 1
	case f.end == whole:
		return quietNoLease
	case f.leases:
		return quietNoEnd
	}
	return quietNeither
}

func examine(dir string, src source) findings {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return findings{changed: true}
	}
	defer func() { _ = root.Close() }()
	all := findings{end: whole, leases: true}
	for _, f := range src.files {
		one := examineFile(root, f)
		all.writing = all.writing || one.writing
		all.leases = all.leases && one.leases
		all.changed = all.changed || one.changed
		// In a folder a small text without an end mark rides with its model:
		// trainer_state.json comes last, and the folder has to be quiet anyway.
		if one.end == cut || one.end == endless && !src.folder {
			all.end = one.end
		}
	}
	return all
}

func examineFile(root *os.Root, f file) findings {
	h, err := openRegular(root, f.rel)
	if err != nil {
		return findings{changed: true}
	}
	defer func() { _ = h.Close() }()
	info, err := h.Stat()
	if err != nil || versionOf(info) != f.version {
		return findings{changed: true}
	}
	end := inspect(h, f.version.size, path.Base(f.rel))
	writing, known := beingWritten(h)
	return findings{end: end, writing: writing, leases: known}
}
