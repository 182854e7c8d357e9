package ziptree

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
)

// check looks at the files together: order, overlaps, names that meet, limits.
func (d *Directory) check(limits Limits) error {
	if !slices.IsSortedFunc(d.entries, byOffset) {
		slices.SortFunc(d.entries, byOffset)
	}
	if err := d.unique(); err != nil {
		return err
	}
	for i := range d.entries {
		e := &d.entries[i]
		if e.offset+localSize+e.packed > d.limit(i) {
			return invalid(d.src, "overlaps itself at %s, as archives that explode do", d.path(e))
		}
		d.Packed += e.packed
		if d.Bytes += e.size; d.Bytes < 0 {
			return tooLarge(d.src, "unpacks to more bytes than can be counted")
		}
	}
	return d.within(limits)
}

func byOffset(a, b entry) int { return cmp.Compare(a.offset, b.offset) }

// limit is where the i-th file must have ended: the next one, or the directory.
func (d *Directory) limit(i int) int64 {
	if i+1 < len(d.entries) {
		return d.entries[i+1].offset
	}
	return d.start
}

func (d *Directory) within(limits Limits) error {
	switch {
	case len(d.entries) == 0:
		return invalid(d.src, "holds no file").WithHint("It must hold annotations.json and images/.")
	case limits.MaxFiles > 0 && int64(len(d.entries)) > limits.MaxFiles:
		return tooLarge(d.src, "has %d files; the limit is %d", len(d.entries), limits.MaxFiles).
			WithHint("Raise AGENT_MAX_DATASET_FILES if that is meant.")
	case limits.MaxFiles > 0 && int64(len(d.entries))+d.Folders > limits.MaxFiles:
		return tooLarge(d.src, "has %d files in %d folders; the limit is %d together", len(d.entries), d.Folders, limits.MaxFiles).
			WithHint("Raise AGENT_MAX_DATASET_FILES if that is meant.")
	case limits.MaxBytes > 0 && d.Bytes > limits.MaxBytes:
		return tooLarge(d.src, "unpacks to %d bytes; the limit is %d", d.Bytes, limits.MaxBytes).
			WithHint("Raise AGENT_MAX_DATASET_BYTES if that is meant.")
	case limits.MaxRatio > 0 && d.Bytes > RatioFloor && d.Bytes/max(d.Packed, 1) > limits.MaxRatio:
		return tooLarge(d.src, "unpacks to %d times its size (%d bytes), as archives that explode do", d.Bytes/max(d.Packed, 1), d.Bytes).
			WithHint("If the data really is that uniform, zip it without compression (zip -0).")
	}
	return nil
}

// unique refuses a file with the name of another or of a folder. The same file
// twice, byte for byte, is taken once: tools that append do that.
func (d *Directory) unique() error {
	seed := maphash.MakeSeed()
	hashes := make([]uint64, len(d.entries))
	for i := range d.entries {
		hashes[i] = maphash.Bytes(seed, d.names.get(d.entries[i].name, d.entries[i].nameLen))
	}
	slices.Sort(hashes)
	twice := map[uint64][]int{}
	for i := 1; i < len(hashes); i++ {
		if hashes[i] == hashes[i-1] {
			twice[hashes[i]] = nil
		}
	}
	folders := d.folders()
	d.Folders = int64(len(folders))
	drop := map[int]bool{}
	for i := range d.entries {
		e := &d.entries[i]
		name := d.names.get(e.name, e.nameLen)
		if folders[string(name)] {
			return invalid(d.src, "has %s both as a file and as a folder", name)
		}
		if len(twice) == 0 {
			continue
		}
		h := maphash.Bytes(seed, name)
		earlier, ok := twice[h]
		if !ok {
			continue
		}
		for _, j := range earlier {
			if o := &d.entries[j]; d.path(o) == string(name) {
				if o.size != e.size || o.crc != e.crc {
					return invalid(d.src, "has %s twice with different content", name).WithHint("Zip into a new file instead of appending.")
				}
				drop[i] = true
			}
		}
		if !drop[i] {
			twice[h] = append(earlier, i)
		}
	}
	d.remove(drop)
	return nil
}

func (d *Directory) remove(drop map[int]bool) {
	if len(drop) == 0 {
		return
	}
	kept := d.entries[:0]
	for i := range d.entries {
		if !drop[i] {
			kept = append(kept, d.entries[i])
		}
	}
	d.entries = kept
	d.Junk += len(drop)
}

// folders is every folder that some file implies, parents included.
func (d *Directory) folders() map[string]bool {
	all := make(map[string]bool, len(d.dirs))
	for _, dir := range d.dirs {
		for dir != "" && !all[dir] {
			all[dir] = true
			dir = dir[:max(strings.LastIndexByte(dir, '/'), 0)]
		}
	}
	return all
}
