package checkpoints

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// maxPickle bounds how much of a torch file's data.pkl is read. The tensors are
// elsewhere in the archive; the pickle of a large detector is about 1 MB.
const maxPickle = 4 << 20

// epochInside reads from a torch checkpoint which epoch it holds, 1-based, for
// the two frameworks that number their epochs from 0 under the key "epoch":
// Ultralytics (recognised by "train_args") and timm ("arch" and "version").
// Other scripts use the same key with either base, so they are not guessed at.
// It returns 0 when the file does not say, and stripped for an Ultralytics model
// that lost its optimiser and its epoch at the end of the training.
func epochInside(r io.ReaderAt, size int64) int {
	data := dataPickle(r, size)
	if data == nil {
		return 0
	}
	ultralytics := hasKey(data, "train_args") && hasKey(data, "ema")
	timm := hasKey(data, "arch") && hasKey(data, "version")
	if !ultralytics && !timm {
		return 0
	}
	n, ok := firstInt(data, "epoch")
	if ok && n == -1 && ultralytics {
		return stripped
	}
	if !ok || n < 0 || n > 1_000_000 {
		return 0
	}
	return n + 1
}

// stripped is the epoch of a model that was trained to its end.
const stripped = -1

// dataPickle returns the pickled object of a torch archive, without its tensors.
func dataPickle(r io.ReaderAt, size int64) []byte {
	if !tocFits(r, size) {
		return nil
	}
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil
	}
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/data.pkl") || f.Method != zip.Store {
			continue
		}
		body, err := f.Open()
		if err != nil {
			return nil
		}
		defer func() { _ = body.Close() }()
		data, err := io.ReadAll(io.LimitReader(body, maxPickle))
		if err != nil {
			return nil
		}
		return data
	}
	return nil
}

// tocFits bounds the memory that the archive's table of contents may cost: a
// model has a few thousand tensors, a hostile file could claim millions.
func tocFits(r io.ReaderAt, size int64) bool {
	const maxEntries = 50_000
	eocd := make([]byte, 22)
	return size > 22 && readFull(r, eocd, size-22) && bytes.HasPrefix(eocd, []byte("PK\x05\x06")) &&
		binary.LittleEndian.Uint16(eocd[10:]) < maxEntries
}

// unicodeKey is a string as pickle protocol 2 writes it, the one torch uses:
// BINUNICODE, a 4-byte length, the bytes.
func unicodeKey(key string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{'X'}, uint32(len(key)))
	return append(b, key...)
}

func hasKey(data []byte, key string) bool { return bytes.Contains(data, unicodeKey(key)) }

// firstInt finds the int that follows key in a pickle, when key is among the
// first things pickled: both frameworks put "epoch" first.
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
