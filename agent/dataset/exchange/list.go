package exchange

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
)

// errChanged means that an entry is not what an agent with the same secret put there.
var errChanged = errors.New("it was changed by another process")

// file is one of an entry.
type file struct {
	path string // below the data folder
	size int64
	sum  [sha256.Size]byte
	crc  uint32
}

type list []file

func (l list) contents(source string) cache.Contents {
	c := cache.Contents{Source: source, Files: int64(len(l)), Each: func(f func(string, int64, uint32) error) error {
		for _, one := range l {
			if err := f(one.path, one.size, one.crc); err != nil {
				return err
			}
		}
		return nil
	}}
	for _, one := range l {
		c.Bytes += one.size
	}
	return c
}

// sumsOf reads what the job itself has fetched.
func sumsOf(ctx context.Context, data string, contents cache.Contents) (l list, err error) {
	root, err := os.OpenRoot(data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	err = contents.Each(func(path string, size int64, crc uint32) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		in, err := openRegular(root, path)
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, in)
		l = append(l, file{path, size, [sha256.Size]byte(sum.Sum(nil)), crc})
		return errors.Join(err, in.Close())
	})
	return l, err
}

// openRegular opens what was a file, whatever has been put in its place.
func openRegular(root *os.Root, path string) (*os.File, error) {
	in, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errChanged, err, in.Close())
	}
	return in, nil
}

func (x *Exchange) mac(id string) hash.Hash {
	mac := hmac.New(sha256.New, x.key)
	_, _ = io.WriteString(mac, id+"\n")
	return mac
}

// write leaves the list of an entry, with its MAC as the last line.
func (x *Exchange) write(path, id string, l list) error {
	out, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	mac, lines := x.mac(id), bufio.NewWriter(out)
	both := io.MultiWriter(mac, lines)
	for _, one := range l {
		_, err = fmt.Fprintf(both, "%x %08x %d %s\n", one.sum, one.crc, one.size, strconv.Quote(one.path))
	}
	_, last := fmt.Fprintf(lines, "%x\n", mac.Sum(nil))
	return errors.Join(err, last, lines.Flush(), out.Close())
}

const (
	maxList = 4 << 30  // bytes of a list: more than the files that a dataset may have
	maxLine = 64 << 10 // bytes of a line: a path has at most 4 KiB
)

// read is the list of an entry, if it is ours.
func (x *Exchange) read(path, id string) (list, error) {
	in, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return nil, errors.Join(errChanged, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxList {
		return nil, errors.Join(errChanged, err)
	}
	return x.parse(in, id)
}

// parse makes nothing of a list before all of it is known to be ours, so a false one
// costs no memory. It may be changed between the two readings, which the second finds.
func (x *Exchange) parse(in io.ReadSeeker, id string) (l list, err error) {
	if err := x.scan(in, id, func([]byte) error { return nil }); err != nil {
		return nil, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	err = x.scan(in, id, func(line []byte) error {
		one, err := parseLine(string(line))
		l = append(l, one)
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// scan hands on the lines before the MAC, and says whether it is theirs.
func (x *Exchange) scan(in io.Reader, id string, each func(line []byte) error) error {
	mac, lines := x.mac(id), bufio.NewScanner(io.LimitReader(in, maxList))
	lines.Buffer(nil, maxLine)
	newline := []byte{'\n'}
	for lines.Scan() {
		if len(lines.Bytes()) == 2*sha256.Size {
			want, err := hex.DecodeString(lines.Text())
			if err != nil || !hmac.Equal(want, mac.Sum(nil)) || lines.Scan() {
				return errChanged
			}
			return nil
		}
		_, _ = mac.Write(lines.Bytes())
		_, _ = mac.Write(newline)
		if err := each(lines.Bytes()); err != nil {
			return errors.Join(errChanged, err)
		}
	}
	return errors.Join(errChanged, lines.Err())
}

func parseLine(line string) (one file, err error) {
	parts := strings.SplitN(line, " ", 4)
	if len(parts) != 4 {
		return one, fmt.Errorf("%.80q is no line of a list", line)
	}
	sum, err1 := hex.DecodeString(parts[0])
	crc, err2 := strconv.ParseUint(parts[1], 16, 32)
	size, err3 := strconv.ParseInt(parts[2], 10, 64)
	path, err4 := strconv.Unquote(parts[3])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return one, err
	}
	if len(sum) != sha256.Size || size < 0 || !filepath.IsLocal(path) {
		return one, fmt.Errorf("%.80q is no line of a list", line)
	}
	return file{path, size, [sha256.Size]byte(sum), uint32(crc)}, nil
}
