package pickles

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
)

const (
	maxMembers = 20_000    // files of a zip of weights
	maxMember  = 256 << 20 // unpacked bytes of one of them that are looked at
	maxInRow   = 1000      // pickles in one file
	atLeast    = 64 << 20  // unpacked bytes of a zip that are read, however small it is,
	unfolding  = 20        // and times its size: one that holds a thousand times as much holds a scan for hours
	head       = 512       // bytes by which a file is recognised
)

// suffixes are of files that are opened as pickles: there, what is none is refused.
var suffixes = []string{".pkl", ".pickle", ".pk", ".p", ".joblib"}

// weights are of files that may be a pickle, a zip with one, or something else.
var weights = []string{".pt", ".pth", ".ckpt", ".bin", ".model", ".mar", ".npy", ".npz"}

// packed are beginnings of compressed files, which an unpickler opens by itself
// (joblib does) and which are not opened here.
var packed = map[string]string{
	"\x1f\x8b": "gzip", "BZh": "bzip2", "\xfd7zXZ": "xz", "\x04\x22\x4d\x18": "lz4", "\x28\xb5\x2f\xfd": "zstd",
	"\x78\x01": "zlib", "\x78\x5e": "zlib", "\x78\x9c": "zlib", "\x78\xda": "zlib",
}

// Scan says what a file would do to those who load it. The name decides what an
// unreadable file is: refused where it is loaded as a pickle, else another kind of file.
// also are names that it may load beside those of plain weights; nil for none.
func Scan(in io.ReaderAt, size int64, name string, also Names) []contract.Finding {
	start := make([]byte, min(size, head))
	if _, err := in.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return []contract.Finding{unreadable(name, "reading it: "+err.Error())}
	}
	suffix := strings.ToLower(path.Ext(name))
	if kind := compression(start); kind != "" && (slices.Contains(suffixes, suffix) || slices.Contains(weights, suffix)) {
		return []contract.Finding{unreadable(name, "it is compressed ("+kind+")")}
	}
	if bytes.HasPrefix(start, []byte("PK\x03\x04")) {
		return scanZip(in, size, name, also)
	}
	return scanStream(io.NewSectionReader(in, 0, size), start, name, slices.Contains(suffixes, suffix), also)
}

func compression(start []byte) string {
	for mark, kind := range packed {
		if bytes.HasPrefix(start, []byte(mark)) {
			return kind
		}
	}
	return ""
}

// scanZip looks into weights of torch and NumPy: every member, whatever its name.
func scanZip(in io.ReaderAt, size int64, name string, also Names) (found []contract.Finding) {
	files, err := archive.NewReader(in, size)
	if err != nil || len(files.File) > maxMembers {
		return []contract.Finding{unreadable(name, fmt.Sprintf("it begins as a zip and cannot be read as one of at most %d files", maxMembers))}
	}
	left := atLeast + unfolding*size
	for _, f := range files.File {
		inside := name + "/" + path.Base(f.Name)
		if f.FileInfo().IsDir() {
			continue
		}
		if f.Method != zip.Store && f.Method != zip.Deflate || f.Flags&1 != 0 {
			found = append(found, unreadable(inside, "it is packed or encrypted in a way that is not opened here"))
			continue
		}
		member, err := f.Open()
		if err != nil {
			found = append(found, unreadable(inside, err.Error()))
			continue
		}
		limited := &io.LimitedReader{R: member, N: min(maxMember, left)}
		most := limited.N
		buffered := bufio.NewReader(limited)
		start, err := buffered.Peek(int(min(f.UncompressedSize64, head)))
		if err != nil && !errors.Is(err, io.EOF) {
			found = append(found, unreadable(inside, err.Error()))
		} else if bytes.HasPrefix(start, []byte("PK\x03\x04")) {
			found = append(found, unreadable(inside, "it is a zip within a zip"))
		} else {
			found = append(found, scanStream(buffered, bytes.Clone(start), inside, isPickle(f.Name), also)...)
		}
		_ = member.Close()
		if left -= most - limited.N; left <= 0 {
			return append(found, unreadable(name, "it unpacks to far more than its size"))
		}
		if len(found) > maxInRow {
			break
		}
	}
	return found
}

func isPickle(name string) bool {
	return slices.Contains(suffixes, strings.ToLower(path.Ext(name)))
}

// scanStream reads the pickles of a file one after the other; torch's oldest format
// has five, and the bytes of the weights behind them.
func scanStream(in io.Reader, start []byte, name string, mustBe bool, also Names) (found []contract.Finding) {
	buffered := bufio.NewReader(in)
	if bytes.HasPrefix(start, []byte("\x93NUMPY")) {
		objects, err := skipNumPyHeader(buffered)
		if err != nil {
			return []contract.Finding{unreadable(name, err.Error())}
		}
		if !objects {
			return nil // numbers
		}
		mustBe = true
	}
	for i := range maxInRow {
		first, err := buffered.Peek(2)
		if len(first) == 0 {
			if i == 0 && mustBe && !errors.Is(err, io.EOF) {
				return append(found, unreadable(name, err.Error()))
			}
			return found
		}
		declared := len(first) == 2 && first[0] == 0x80 && first[1] >= 2 && first[1] <= 5
		report, err := Walk(buffered, also)
		if declared || mustBe && i == 0 || report.Calls {
			found = append(found, judge(report, err, name)...)
		}
		if err != nil || report.Calls {
			return found
		}
	}
	return append(found, unreadable(name, "it holds more pickles than weights ever do"))
}

func judge(report Report, err error, name string) (found []contract.Finding) {
	for _, g := range report.Refused {
		found = append(found, contract.Finding{
			Rule: "pickle.code", Severity: contract.SeverityError, File: name,
			Text: "loading it calls or loads " + g.String() + ", which weights do not need", Fix: "save weights as safetensors, or a state_dict of tensors alone",
		})
	}
	if err != nil {
		found = append(found, unreadable(name, err.Error()))
	}
	return found
}

func unreadable(name, why string) contract.Finding {
	return contract.Finding{
		Rule: "pickle.unreadable", Severity: contract.SeverityError, File: name,
		Text: "it cannot be told what loading this file does: " + why, Fix: "save weights as safetensors, or uncompressed with torch.save or numpy.savez",
	}
}
