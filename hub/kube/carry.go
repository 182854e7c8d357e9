package kube

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// What a pod gets is one tar: in/step with the program of the step and its order, in/r0,
// in/r1, … for what the command reads, out/w0, … for the folders that it writes to. They are
// mounted at the paths that they have here. The folders out/w… come back.
const (
	stepFolder = "step"
	orderFile  = "order.json"
	stepFile   = "trainer-hub"
)

// order is a command as its pod gets it.
type order struct {
	Program   string
	Args, Env []string
	Dir       string
	Write     []string
	Limits    runner.Limits
	OneStream bool // standard output goes where standard error goes
}

func inputs(c runner.Command) (all []placed) {
	for i, at := range c.Read {
		all = append(all, placed{at, inVolume, "r" + strconv.Itoa(i)})
	}
	for i, at := range c.Write {
		all = append(all, placed{at, outVolume, written(i)})
	}
	// A folder comes before what lies in it.
	slices.SortStableFunc(all, func(a, b placed) int { return strings.Compare(a.path, b.path) })
	return all
}

// placed is a path of the command, and where it is in the volumes.
type placed struct{ path, volume, name string }

func written(i int) string { return "w" + strconv.Itoa(i) }

// pack writes the tar for a pod.
func pack(to io.Writer, program string, c runner.Command, limits runner.Limits) error {
	w := tar.NewWriter(to)
	text, err := json.Marshal(order{
		Program: c.Program, Args: c.Args, Env: c.Env, Dir: c.Dir, Write: c.Write, Limits: limits, OneStream: c.Stdout == nil || c.Stdout == c.Stderr,
	})
	if err != nil {
		return err
	}
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(inVolume, stepFolder, orderFile), Size: int64(len(text)), Mode: 0o644})
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = packTree(w, program, path.Join(inVolume, stepFolder, stepFile), false)
	}
	for _, p := range inputs(c) {
		if err == nil {
			err = packTree(w, p.path, path.Join(p.volume, p.name), false)
		}
	}
	if err != nil {
		return fmt.Errorf("packing the files for a pod: %w", err)
	}
	return w.Close()
}

// packTree adds a file or a folder with folders, files and links; what is none of them is
// left out, and so are files that may not be read, where they may be missing.
func packTree(w *tar.Writer, from, name string, missing bool) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path.Join(name, filepath.ToSlash(inside)), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
		switch {
		case info.IsDir():
			header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
			return w.WriteHeader(header)
		case info.Mode()&fs.ModeSymlink != 0:
			if header.Linkname, err = os.Readlink(at); err != nil {
				return err
			}
			header.Typeflag = tar.TypeSymlink
			return w.WriteHeader(header)
		case info.Mode().IsRegular():
			header.Typeflag, header.Size = tar.TypeReg, info.Size()
			err := packFile(w, at, header)
			if missing && errors.Is(err, fs.ErrPermission) {
				return nil
			}
			return err
		}
		return nil
	})
}

func packFile(w *tar.Writer, at string, header *tar.Header) error {
	file, err := os.Open(filepath.Clean(at))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(w, file, header.Size)
	return err
}

// unpack puts what a pod sends back into the folders of the command, in the place of what is
// there. The sender is a stranger: nothing is written outside of the folders, and not more
// than the limits.
func unpack(from io.Reader, c runner.Command, limits runner.Limits) error {
	roots := map[string]*os.Root{}
	defer func() {
		for _, root := range roots {
			_ = root.Close()
		}
	}()
	for i, folder := range c.Write {
		if err := empty(folder); err != nil {
			return err
		}
		root, err := os.OpenRoot(folder)
		if err != nil {
			return err
		}
		roots[written(i)] = root
	}
	bytes, files := limits.Disk, limits.Files
	for r := tar.NewReader(from); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what the pod sends: %w", err)
		}
		folder, name, _ := strings.Cut(header.Name, "/")
		root := roots[folder]
		if name = strings.TrimSuffix(name, "/"); root == nil || name == "" {
			continue
		}
		files, bytes = files-1, bytes-header.Size
		switch {
		case limits.Files > 0 && files < 0:
			return runner.Over("files", limits)
		case limits.Disk > 0 && bytes < 0:
			return runner.Over("disk", limits)
		}
		if err := place(root, name, header, r); err != nil {
			return fmt.Errorf("keeping what the pod sends: %w", err)
		}
	}
}

// empty removes what is in a folder.
func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, entry.Name())))
	}
	return err
}

func place(root *os.Root, name string, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return root.Mkdir(name, 0o755) // not with those above it: each folder is counted
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644|fs.FileMode(header.Mode)&0o111) //nolint:gosec // only the bits that are kept
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	}
	return nil
}
