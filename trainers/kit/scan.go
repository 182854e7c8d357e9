package kit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	window      = 1 << 20  // bytes that are looked at together
	overlap     = 4 << 10  // of two windows, longer than any key
	maxScanned  = 64 << 20 // bytes of a file that are looked at for secrets
	maxRead     = 1 << 20  // bytes of a document of the package
	maxFindings = 50
)

// pristine is a package before any of its code has run.
type pristine struct {
	files   map[string][sha256.Size]byte
	secrets []finding
}

// look reads every file of the package once: what it is, and whether it holds a secret.
// A platform looks at every folder (strict); at a desk those that are no part of an
// upload are left out.
func look(dir string, strict bool) (p pristine, err error) {
	p.files = map[string][sha256.Size]byte{}
	err = eachFile(dir, strict, func(path, rel string) error {
		file, err := openRegular(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		sum := sha256.New()
		found, err := scanSecrets(io.TeeReader(file, sum), rel)
		if err != nil {
			return err
		}
		p.files[rel] = [sha256.Size]byte(sum.Sum(nil))
		if len(p.secrets) < maxFindings {
			p.secrets = append(p.secrets, found...)
		}
		return nil
	})
	return p, err
}

// changed names what is not as it was: code that rewrites its own package would be
// another after the upload than the one that was tried.
func (p pristine) changed(dir string, strict bool) (names []string, err error) {
	now, err := look(dir, strict)
	for rel, sum := range now.files {
		if p.files[rel] != sum {
			names = append(names, rel)
		}
	}
	for rel := range p.files {
		if _, there := now.files[rel]; !there {
			names = append(names, rel)
		}
	}
	sort.Strings(names)
	return names, err
}

// ownFolders of a desk are no part of an upload.
var ownFolders = []string{".venv", ".git", "workspace"}

func eachFile(dir string, strict bool, f func(path, rel string) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && !strict && slices.Contains(ownFolders, d.Name()) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return f(path, filepath.ToSlash(rel))
	})
}

// openRegular opens a file of the package.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return onlyRegular(file, err)
}

// openWithin opens a file that lies below a folder, also when links are followed.
func openWithin(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return onlyRegular(file, err)
}

// onlyRegular refuses a pipe or a device, which would hold whoever reads it: that is why
// both open without waiting.
func onlyRegular(file *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file.Name())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// readDocument reads a small file of the package.
func readDocument(path string) ([]byte, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	return readSmall(file)
}

// readSmall reads a whole file and closes it.
func readSmall(file *os.File) ([]byte, error) {
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, maxRead+1))
	if err == nil && len(body) > maxRead {
		err = fmt.Errorf("%s has more than %d bytes", file.Name(), maxRead)
	}
	return body, err
}

// scanSecrets reads to the end, and looks for secrets as far as maxScanned. UTF-16 is
// read without its zero bytes.
func scanSecrets(in io.Reader, rel string) (found []finding, err error) {
	buffer, kept, lines, read := make([]byte, window), 0, 0, 0
	seen := map[string]bool{}
	for {
		n, err := io.ReadFull(in, buffer[kept:])
		text := buffer[:kept+n]
		for _, p := range secretPatterns() {
			plain := bytes.ReplaceAll(text, []byte{0}, nil)
			if at := p.form.FindIndex(plain); at != nil && !seen[p.kind] {
				seen[p.kind] = true
				line := 1 + lines + bytes.Count(plain[:at[0]], []byte{'\n'})
				found = append(found, finding{
					Rule: "secret." + strings.ReplaceAll(strings.ToLower(p.kind), " ", "-"), Severity: contract.SeverityError, File: rel, Line: line,
					Text: "it looks like a secret (" + p.kind + ")", Fix: "take it out and revoke it",
				})
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		if read += n; read > maxScanned {
			_, err := io.Copy(io.Discard, in)
			return append(found, with(warning(unscanned+"secrets", rel, textf("only its first %d MiB were scanned for secrets", maxScanned>>20)), "leave data out of the package")), err
		}
		lines += bytes.Count(text[:len(text)-overlap], []byte{'\n'})
		kept = copy(buffer, text[len(text)-overlap:])
	}
}
