package format

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// maxPickle bounds how much of a torch file's data.pkl is read. The tensors are
// elsewhere in the archive; the pickle of a large detector is about 1 MB.
const maxPickle = 4 << 20

// maxEpoch is the largest number that is believed.
const maxEpoch = 1_000_000

// Stripped is the epoch of a model that was trained to its end and lost its
// optimiser, and its epoch with that.
const Stripped = -1

// EpochInside reads from a torch checkpoint which epoch it holds, 1-based, for
// the frameworks that number their epochs from 0 under the key "epoch":
// Ultralytics (recognised by "train_args"), timm ("arch" and "version") and
// Lightning ("pytorch-lightning_version"). Other scripts use the same key with
// either base, so they are not guessed at: any script may begin its checkpoint with the
// key "completed_epochs", which needs no guess. It returns 0 when the file does not
// say, and Stripped for an Ultralytics model at the end of its training.
func EpochInside(r io.ReaderAt, size int64) int {
	data := dataPickle(r, size)
	if data == nil {
		return 0
	}
	if n, ok := firstInt(data, "completed_epochs"); ok && n > 0 && n <= maxEpoch {
		return n
	}
	ultralytics := hasKey(data, "train_args") && hasKey(data, "ema")
	timm := hasKey(data, "arch") && hasKey(data, "version")
	if !ultralytics && !timm && !hasKey(data, "pytorch-lightning_version") {
		return 0
	}
	n, ok := firstInt(data, "epoch")
	if ok && n == -1 && ultralytics {
		return Stripped
	}
	if !ok || n < 0 || n > maxEpoch {
		return 0
	}
	return n + 1
}

// HasRotatedBoxes reports whether a torch checkpoint is one of Ultralytics' detectors of
// rotated boxes: it names their class, which nothing else loads.
func HasRotatedBoxes(r io.ReaderAt, size int64) bool {
	return bytes.Contains(dataPickle(r, size), []byte("ultralytics.nn.tasks\nOBBModel\n"))
}

// dataPickle returns the pickled object of a torch archive, without its tensors.
func dataPickle(r io.ReaderAt, size int64) []byte {
	offset, length, ok := zipDirectory(r, size)
	if !ok {
		return nil
	}
	at, size, ok := findPickle(io.NewSectionReader(r, offset, length))
	if !ok {
		return nil
	}
	local := make([]byte, 30)
	if !readFull(r, local, at) || !bytes.HasPrefix(local, []byte("PK\x03\x04")) {
		return nil
	}
	at += 30 + int64(binary.LittleEndian.Uint16(local[26:])) + int64(binary.LittleEndian.Uint16(local[28:]))
	data, err := io.ReadAll(io.NewSectionReader(r, at, min(size, maxPickle)))
	if err != nil {
		return nil
	}
	return data
}

// maxEntries bounds the search for data.pkl, which torch writes first.
const maxEntries = 10_000

// findPickle walks the central directory entry by entry (APPNOTE.TXT, 4.3.12), so
// that one which lies about its size costs neither memory nor time: archive/zip
// takes every entry into memory before it answers.
func findPickle(directory io.Reader) (at, size int64, ok bool) {
	in := bufio.NewReaderSize(directory, 4<<10)
	header := make([]byte, 46)
	for range maxEntries {
		if _, err := io.ReadFull(in, header); err != nil || !bytes.HasPrefix(header, []byte("PK\x01\x02")) {
			return 0, 0, false
		}
		nameLength := int(binary.LittleEndian.Uint16(header[28:]))
		rest := int(binary.LittleEndian.Uint16(header[30:])) + int(binary.LittleEndian.Uint16(header[32:]))
		name, err := in.Peek(nameLength)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, 0, false
		}
		stored := binary.LittleEndian.Uint16(header[10:]) == 0
		if err == nil && stored && strings.HasSuffix(string(name), "/data.pkl") {
			size, at := binary.LittleEndian.Uint32(header[24:]), binary.LittleEndian.Uint32(header[42:])
			return int64(at), int64(size), size != 1<<32-1 && at != 1<<32-1
		}
		if _, err := in.Discard(nameLength + rest); err != nil {
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// unicodeKey is a string as pickle protocol 2 writes it, the one torch uses:
// BINUNICODE, a 4-byte length, the bytes.
func unicodeKey(key string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{'X'}, uint32(len(key)))
	return append(b, key...)
}

func hasKey(data []byte, key string) bool { return bytes.Contains(data, unicodeKey(key)) }

// firstInt finds the int that follows key in a pickle, when key is among the
// first things pickled: these frameworks put "epoch" first.
func firstInt(data []byte, key string) (int, bool) {
	const near = 1024
	i := bytes.Index(data[:min(near, len(data))], unicodeKey(key))
	if i < 0 {
		return 0, false
	}
	rest := data[i+len(unicodeKey(key)):]
	if len(rest) > 1 && rest[0] == 'q' { // BINPUT: the key goes to the memo
		rest = rest[2:]
	}
	switch {
	case len(rest) > 1 && rest[0] == 'K': // BININT1
		return int(rest[1]), true
	case len(rest) > 2 && rest[0] == 'M': // BININT2
		return int(binary.LittleEndian.Uint16(rest[1:])), true
	case len(rest) > 4 && rest[0] == 'J': // BININT
		return int(int32(binary.LittleEndian.Uint32(rest[1:]))), true
	}
	return 0, false
}

// oldTorch is how a file of torch.save before 1.6 begins: a pickle of a number that is
// there to be recognised. Many weights that are still in use are such files.
var oldTorch = []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")

// OldTorch says whether it is such a file. It has no end mark.
func OldTorch(r io.ReaderAt) bool {
	head := make([]byte, len(oldTorch))
	_, err := r.ReadAt(head, 0)
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(head, oldTorch)
}
