package cache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
)

type state int

const (
	isAbsent state = iota
	isComplete
	isDamaged
	isBusy
)

// inspect finds out whether the entry may be used. The quick look (folders
// unchanged since they were filled) is enough while the machine has not been
// restarted; otherwise every file is read once.
func (c *Cache) inspect(ctx context.Context, id string) (*Entry, state, error) {
	dir := c.path(id)
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Lstat(dir); errors.Is(statErr, fs.ErrNotExist) {
			return nil, isAbsent, nil
		}
	}
	if err != nil {
		return nil, isDamaged, nil //nolint:nilerr // what cannot be read is mended
	}
	entry := &Entry{Dir: filepath.Join(dir, "data"), Bytes: r.Bytes, Files: r.Files}
	if c.checked(dir) && unchanged(entry.Dir, r.Folders) {
		return entry, isComplete, nil
	}
	c.log().Info("checking a cached dataset", "entry", dir, "files", r.Files)
	switch ok, err := c.verify(ctx, dir, r); {
	case err != nil:
		return nil, isDamaged, err
	case !ok || !unchanged(entry.Dir, r.Folders):
		return nil, isDamaged, nil
	}
	_ = c.markChecked(dir) // a cache that we may only read is checked every time
	return entry, isComplete, nil
}

func unchanged(data string, times map[string]int64) bool {
	for dir, want := range times {
		fi, err := os.Lstat(filepath.Join(data, dir))
		if err != nil || !fi.IsDir() || fi.ModTime().UnixNano() != want {
			return false
		}
	}
	return len(times) > 0
}

func (c *Cache) bootFile(dir string) string { return filepath.Join(dir, "boot-"+c.BootID) }

func (c *Cache) checked(dir string) bool {
	if c.BootID == "" {
		return false
	}
	_, err := os.Lstat(c.bootFile(dir))
	return err == nil
}

func (c *Cache) markChecked(dir string) error {
	if c.BootID == "" {
		return nil
	}
	old, _ := fs.Glob(os.DirFS(dir), "boot-*")
	if len(old) > 64 { // nodes that share the folder, and restarts
		for _, name := range old {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
	return os.WriteFile(c.bootFile(dir), nil, 0o644)
}

// verify reads every file that the index names.
func (c *Cache) verify(ctx context.Context, dir string, r record) (bool, error) {
	t, _, err := tree.Create(filepath.Join(dir, "data"))
	if err != nil {
		return false, nil //nolint:nilerr // damaged
	}
	defer func() { _ = t.Close() }()
	var dirs []string
	ids := map[string]int32{".": 0}
	for d := range r.Folders {
		if d != "." {
			dirs = append(dirs, d)
			ids[d] = int32(len(dirs))
		}
	}
	t.Know(dirs)
	w := t.NewWriter(ctx)
	defer w.Close()
	files, ok := int64(0), true
	err = readIndex(filepath.Join(dir, "index"), func(path string, size int64, crc uint32) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		id, known := ids[filepath.Dir(path)]
		files++
		if !known || !w.Has(id, filepath.Base(path), size, crc) {
			ok = false
			return fs.SkipAll
		}
		return nil
	})
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return ok && err == nil && files == r.Files, nil
}

func writeIndex(path string, each func(func(string, int64, uint32) error) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = each(func(path string, size int64, crc uint32) error {
		_, err := fmt.Fprintf(w, "%08x %d %s\n", crc, size, strconv.Quote(path))
		return err
	})
	return errors.Join(err, w.Flush(), f.Close())
}

func readIndex(path string, f func(path string, size int64, crc uint32) error) error {
	in, err := openRegular(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		crc, rest, _ := strings.Cut(lines.Text(), " ")
		size, quoted, _ := strings.Cut(rest, " ")
		sum, err1 := strconv.ParseUint(crc, 16, 32)
		n, err2 := strconv.ParseInt(size, 10, 64)
		name, err3 := strconv.Unquote(quoted)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if err := f(name, n, uint32(sum)); err != nil {
			if errors.Is(err, fs.SkipAll) {
				return nil
			}
			return err
		}
	}
	return lines.Err()
}
