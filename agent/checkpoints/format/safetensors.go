package format

import (
	"encoding/binary"
	"encoding/json"
	"io"
)

// maxSafetensorsHeader is the format's own limit (safetensors, MAX_HEADER_SIZE).
// maxParsedHeader is how much of it is read here; that of the largest published
// model is a tenth of it.
const (
	maxSafetensorsHeader = 100_000_000
	maxParsedHeader      = 16 << 20
)

// inspectSafetensors compares the size with the end of the last tensor. Some
// releases set the full size first, so a whole answer still needs a quiet file.
func inspectSafetensors(r io.ReaderAt, size int64) Wholeness {
	prefix := make([]byte, 8)
	if size < 8 || !readFull(r, prefix, 0) {
		return Cut
	}
	n := binary.LittleEndian.Uint64(prefix)
	if n == 0 || n > maxSafetensorsHeader || int64(n) > size-8 {
		return Cut
	}
	if n > maxParsedHeader {
		return Endless
	}
	end, err := lastTensorEnd(json.NewDecoder(io.NewSectionReader(r, 8, int64(n))))
	if err != nil || end < 0 || end != size-8-int64(n) {
		return Cut
	}
	return Whole
}

// lastTensorEnd reads {"name": {"data_offsets": [begin, end], …}, "__metadata__": {…}}
// entry by entry, so that a header of many megabytes costs no memory.
func lastTensorEnd(dec *json.Decoder) (int64, error) {
	if _, err := dec.Token(); err != nil {
		return 0, err
	}
	var end int64
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return 0, err
		}
		if name == "__metadata__" {
			var skip json.RawMessage
			if err := dec.Decode(&skip); err != nil {
				return 0, err
			}
			continue
		}
		var tensor struct {
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := dec.Decode(&tensor); err != nil {
			return 0, err
		}
		end = max(end, tensor.Offsets[1])
	}
	_, err := dec.Token()
	return end, err
}
