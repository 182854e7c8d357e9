package start

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"

	"github.com/vision-platform/trainer-agent/agent/process/identity"
	"github.com/vision-platform/trainer-agent/agent/process/terminal"
)

// Files are the descriptors of a child that is about to start: its ends, our
// ends, and the pumps between our ends and the writers.
type Files struct {
	Pumps Pumps
	Stdin *os.File // our end of the child's input, when Spec.StdinPipe
	PTY   *os.File // master

	child [3]*os.File
	close []*os.File // child ends that we opened
}

// Open opens what a child needs; prepare joins a pseudo-terminal with the agent's own.
func Open(spec Spec, prepare func(master, slave *os.File) error) (f *Files, err error) {
	f = &Files{}
	defer func() {
		if err != nil {
			f.CloseChildEnds()
			f.CloseOurs()
		}
	}()
	if spec.PTY {
		return f, f.openPTY(spec, prepare)
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

func (f *Files) openStdin(spec Spec) (err error) {
	switch {
	case spec.Stdin != nil:
		f.child[0] = spec.Stdin
	case spec.StdinPipe:
		f.child[0], f.Stdin, err = os.Pipe()
		f.close = append(f.close, f.child[0])
	default:
		f.child[0], err = f.openNothing()
	}
	return err
}

// openNothing is /dev/null to read from, or a pipe at its end in an image without.
func (f *Files) openNothing() (*os.File, error) {
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

func (f *Files) openOutput(w io.Writer, id *identity.Identity) (*os.File, error) {
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
	f.Pumps = append(f.Pumps, newPump(r, w))
	id.OwnFile(end)
	return end, nil
}

func (f *Files) openNull(flag int) (*os.File, error) {
	null, err := os.OpenFile(os.DevNull, flag, 0)
	if err == nil {
		f.close = append(f.close, null)
	}
	return null, err
}

func (f *Files) openPTY(spec Spec, prepare func(master, slave *os.File) error) error {
	master, slave, err := terminal.OpenPTY()
	if err != nil {
		return err
	}
	f.PTY = master
	f.child = [3]*os.File{slave, slave, slave}
	f.close = append(f.close, slave)
	w := spec.Stdout
	if w == nil {
		w = io.Discard
	}
	f.Pumps = append(f.Pumps, newPump(master, w))
	spec.RunAs.OwnFile(slave)
	return prepare(master, slave)
}

func (f *Files) fds() []uintptr {
	return []uintptr{f.child[0].Fd(), f.child[1].Fd(), f.child[2].Fd()}
}

// CloseChildEnds closes what only the child needs, once it has it.
func (f *Files) CloseChildEnds() {
	for _, file := range f.close {
		if file != nil {
			_ = file.Close()
		}
	}
	f.close = nil
}

// CloseOurs closes the rest, when no child was started.
func (f *Files) CloseOurs() {
	for _, p := range f.Pumps {
		_ = p.r.Close()
	}
	if f.Stdin != nil {
		_ = f.Stdin.Close()
	}
}

// sameWriter reports whether two writers are one; writers of a type that cannot
// be compared are not.
func sameWriter(a, b io.Writer) bool {
	return a != nil && b != nil &&
		reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}
