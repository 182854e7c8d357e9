package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// Unpack checks a zip and writes its files below dir, which must be empty or absent.
// root is the package's folder: dir, or the one folder that the archive holds. Findings
// mean that nothing was left in dir. An error is a fault of this machine, never the
// archive's.
func Unpack(file, dir string, limits Limits) (root string, found []contract.Finding, err error) {
	in, opened, err := Open(file)
	switch {
	case errors.Is(err, ErrDirectory):
		return "", []contract.Finding{refuse("archive.files", "", err.Error(), "leave out data, caches and environments")}, nil
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrAlgorithm), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "", []contract.Finding{refuse("archive.not-a-zip", "", "the file is no zip, or its end is missing", "upload the package's folder as a zip")}, nil
	case err != nil:
		return "", nil, fmt.Errorf("opening the archive: %w", err)
	}
	defer func() { _ = opened.Close() }()
	if found := Check(in, limits); len(found) > 0 {
		return "", found, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("making the package's folder: %w", err)
	}
	for _, f := range in.File {
		if Junk(f.Name) {
			continue
		}
		if finding, err := write(f, filepath.Join(dir, filepath.FromSlash(f.Name))); err != nil || finding != nil {
			err = errors.Join(err, empty(dir))
			if finding != nil {
				found = append(found, *finding)
			}
			return "", found, err
		}
	}
	return filepath.Join(dir, filepath.FromSlash(top(in.File))), nil, nil
}

// write unpacks one entry: its names were checked, so it is new and inside.
func write(f *zip.File, to string) (*contract.Finding, error) {
	if f.FileInfo().IsDir() {
		return nil, os.MkdirAll(to, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	broken := func(err error) *contract.Finding {
		finding := refuse("archive.broken", f.Name, fmt.Sprintf("it cannot be unpacked: %v", err), "zip the folder anew")
		return &finding
	}
	in, err := f.Open()
	if err != nil {
		return broken(err), nil
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	// The reader ends at the size that the directory names; only the disk's errors are ours.
	source := &reading{in: in}
	_, err = io.Copy(out, source)
	if closed := out.Close(); err == nil {
		err = closed
	}
	switch {
	case source.err != nil:
		return broken(source.err), nil
	case err != nil:
		return nil, fmt.Errorf("unpacking %s: %w", printable(f.Name), err)
	}
	return nil, nil
}

// reading keeps the error of the archive apart from that of the disk.
type reading struct {
	in  io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// top is the only folder of the archive, "" when the package lies at its root.
func top(files []*zip.File) string {
	first := ""
	for _, f := range files {
		name, _, below := strings.Cut(f.Name, "/")
		if Junk(f.Name) {
			continue
		}
		if !below || first != "" && name != first {
			return ""
		}
		first = name
	}
	return path.Clean("./" + first)
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
