package process

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"

	"github.com/vision-platform/trainer-agent/agent/process/terminal"
)

// files are the descriptors of a child that is about to start: its ends, our
// ends, and the pumps between our ends and the writers.
type files struct {
	child [3]*os.File
	close []*os.File // child ends that we opened
	pumps []*pump
	stdin *os.File
	pty   *os.File // master
}

func openFiles(s *Supervisor, spec Spec) (f *files, err error) {
	f = &files{}
	defer func() {
		if err != nil {
			f.closeChildEnds()
			f.closeOurs()
		}
	}()
	if spec.PTY {
		return f, f.openPTY(s, spec)
	}
	if err := f.openStdin(spec); err != nil {
		return f, err
	}
	if f.child[1], err = f.openOutput(spec.Stdout, spec.RunAs); err != nil {
		return f, err
	}
	if sameWriter(spec.Stdout, spec.Stderr) {
		f.child[2] = f.child[1]
		return f, nil
	}
	f.child[2], err = f.openOutput(spec.Stderr, spec.RunAs)
	return f, err
}

func (f *files) openStdin(spec Spec) (err error) {
	switch {
	case spec.Stdin != nil:
		f.child[0] = spec.Stdin
	case spec.StdinPipe:
		f.child[0], f.stdin, err = os.Pipe()
		f.close = append(f.close, f.child[0])
	default:
		f.child[0], err = f.openNothing()
	}
	return err
}

// openNothing is /dev/null to read from, or a pipe at its end in an image without.
func (f *files) openNothing() (*os.File, error) {
	null, err := f.openNull(os.O_RDONLY)
	if !errors.Is(err, fs.ErrNotExist) {
		return null, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	f.close = append(f.close, r)
	return r, w.Close()
}

func (f *files) openOutput(w io.Writer, id *Identity) (*os.File, error) {
	if w == nil {
		null, err := f.openNull(os.O_WRONLY)
		if !errors.Is(err, fs.ErrNotExist) {
			return null, err
		}
		w = io.Discard
	}
	if file, ok := w.(*os.File); ok {
		return file, nil
	}
	r, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	f.close = append(f.close, end)
	f.pumps = append(f.pumps, newPump(r, w))
	id.own(end)
	return end, nil
}

func (f *files) openNull(flag int) (*os.File, error) {
	null, err := os.OpenFile(os.DevNull, flag, 0)
	if err == nil {
		f.close = append(f.close, null)
	}
	return null, err
}

func (f *files) openPTY(s *Supervisor, spec Spec) error {
	master, slave, err := terminal.OpenPTY()
	if err != nil {
		return err
	}
	f.pty = master
	f.child = [3]*os.File{slave, slave, slave}
	f.close = append(f.close, slave)
	w := spec.Stdout
	if w == nil {
		w = io.Discard
	}
	f.pumps = append(f.pumps, newPump(master, w))
	spec.RunAs.own(slave)
	return s.term.Prepare(master, slave)
}

func (f *files) fds() []uintptr {
	return []uintptr{f.child[0].Fd(), f.child[1].Fd(), f.child[2].Fd()}
}

func (f *files) closeChildEnds() {
	for _, file := range f.close {
		if file != nil {
			_ = file.Close()
		}
	}
	f.close = nil
}

func (f *files) closeOurs() {
	for _, p := range f.pumps {
		_ = p.r.Close()
	}
	if f.stdin != nil {
		_ = f.stdin.Close()
	}
}

// sameWriter reports whether two writers are one; writers of a type that cannot
// be compared are not.
func sameWriter(a, b io.Writer) bool {
	return a != nil && b != nil &&
		reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}
