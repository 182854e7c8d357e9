package scan

import (
	"os"
	"path"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
)

// Findings are what the bytes and the kernel say of a source: the worst of its files.
type Findings struct {
	End     format.Wholeness
	Writing bool
	Leases  bool // the kernel could say whether there is a writer
	Changed bool // not what the look saw
	Fault   *Fault
}

// Examine opens every file of a source and asks its format and the kernel. What it
// cannot examine because of a bug is not complete, however often it is asked.
func Examine(dir string, src Source) (all Findings) {
	if f := attempt(src.Rel, func() { all = examine(dir, src) }); f != nil {
		return Findings{Changed: true, Fault: f}
	}
	return all
}

func examine(dir string, src Source) Findings {
	root, err := OpenDir(dir)
	if err != nil {
		return Findings{Changed: true}
	}
	defer func() { _ = root.Close() }()
	all := Findings{End: format.Whole, Leases: true}
	for _, f := range src.Files {
		one := examineFile(root, f)
		all.Writing = all.Writing || one.Writing
		all.Leases = all.Leases && one.Leases
		all.Changed = all.Changed || one.Changed
		// In a folder a small text without an end mark rides with its model:
		// trainer_state.json comes last, and the folder has to be quiet anyway.
		if one.End == format.Cut || one.End == format.Endless && !src.Folder {
			all.End = one.End
		}
	}
	return all
}

func examineFile(root *os.Root, f File) Findings {
	h, err := Open(root, f.Rel)
	if err != nil {
		return Findings{Changed: true}
	}
	defer func() { _ = h.Close() }()
	info, err := h.Stat()
	if err != nil || !VersionOf(info).Same(f.Version) {
		return Findings{Changed: true}
	}
	end := format.Inspect(h, f.Version.Size, path.Base(f.Rel))
	writing, known := beingWritten(h)
	return Findings{End: end, Writing: writing, Leases: known}
}

// Torn reports whether a model lacks its end. It is for the outputs, which are not
// watched while they are written.
func Torn(root *os.Root, f File) bool {
	h, err := Open(root, f.Rel)
	if err != nil {
		return false // the upload will say why
	}
	defer func() { _ = h.Close() }()
	return format.Inspect(h, f.Version.Size, path.Base(f.Rel)) == format.Cut
}
