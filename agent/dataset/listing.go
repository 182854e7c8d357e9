package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/dataset/ziptree"
	"github.com/vision-platform/trainer-agent/contract"
)

// item is one object of a prefix dataset.
type item struct {
	path string // cleaned, relative to the prefix
	key  string // relative to the prefix, as the bucket has it; often the same string
	size int64
	tag  etag
	dir  int32
	crc  uint32 // once it is there
}

// etag is a version in as few bytes as half a million of them deserve.
type etag struct {
	sum   [16]byte
	parts int32  // 0: sum is the content's MD5; n > 0: the tag is "sum-n"
	other string // any other tag
}

func parseETag(s string) etag {
	bare := strings.Trim(s, `"`)
	digest, parts, multi := strings.Cut(bare, "-")
	var t etag
	n := int64(0)
	raw, err := hex.DecodeString(digest)
	if err == nil && multi {
		n, err = strconv.ParseInt(parts, 10, 32)
	}
	t.parts = int32(n)
	if err != nil || len(raw) != len(t.sum) || (multi && n <= 0) || t.setAnd(raw) != s {
		return etag{other: strings.Clone(s)}
	}
	return t
}

func (t *etag) setAnd(raw []byte) string {
	copy(t.sum[:], raw)
	return t.String()
}

func (t etag) String() string {
	switch {
	case t.other != "" || t == etag{}:
		return t.other
	case t.parts > 0:
		return fmt.Sprintf(`"%x-%d"`, t.sum, t.parts)
	}
	return fmt.Sprintf(`"%x"`, t.sum)
}

// md5 returns the content's MD5 when the tag is one. Objects encrypted with KMS
// have tags that only look so; see prefixWorker.verify.
func (t etag) md5() ([16]byte, bool) {
	return t.sum, t.other == "" && t.parts == 0 && t != etag{}
}

// listing is a prefix dataset as the bucket lists it.
type listing struct {
	prefix  string
	items   []item
	dirs    []string
	bytes   int64
	folders int64
	junk    int
}

// list reads all pages. Markers of folders, thumbnails and the dataset's own
// snapshots are left out and counted.
func (f *fetcher) list(ctx context.Context, prefix string) (*listing, error) {
	l := &listing{prefix: prefix}
	var chunk strings.Builder
	for o, err := range f.store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		rel, ok := strings.CutPrefix(o.Key, prefix)
		if !ok || rel == "" || strings.HasSuffix(rel, "/") || strings.HasPrefix(rel, "snapshots/") || tree.Junk(rel) {
			l.junk++
			continue
		}
		clean, err := tree.Clean(rel)
		if err != nil {
			return nil, contract.Failf(contract.CodeDatasetInvalid, "the dataset %s is refused: %w", f.store.URI(prefix), err).
				WithHint("Rename the object.")
		}
		key := pack(&chunk, rel)
		if clean == rel {
			clean = key
		}
		l.items = append(l.items, item{path: clean, key: key, size: o.Size, tag: parseETag(o.ETag)})
		if limit := f.Limits.MaxFiles; limit > 0 && int64(len(l.items)) > limit {
			return nil, contract.Failf(contract.CodeDatasetTooLarge, "the dataset %s has more than %d files", f.store.URI(prefix), limit).
				WithHint("Raise AGENT_MAX_DATASET_FILES if that is meant.")
		}
	}
	return l, nil
}

// pack copies s into a shared chunk: short strings of their own would double
// their size.
func pack(chunk *strings.Builder, s string) string {
	if chunk.Len()+len(s) > chunk.Cap() {
		chunk.Reset()
		chunk.Grow(max(1<<16, len(s)))
	}
	at := chunk.Len()
	chunk.WriteString(s)
	return chunk.String()[at:]
}

// mostBytes is more than any dataset has, and sums of a few such do not overflow: a store
// may list objects of whatever size.
const mostBytes = 1 << 60

// finish sorts, checks names against each other and numbers the folders.
func (l *listing) finish(uri string, limits ziptree.Limits) error {
	slices.SortFunc(l.items, func(a, b item) int { return cmp.Compare(a.path, b.path) })
	ids := map[string]int32{"": 0}
	parents := map[string]bool{}
	l.bytes, l.dirs = 0, nil
	for i := range l.items {
		it := &l.items[i]
		if i > 0 && l.items[i-1].path == it.path {
			return contract.Failf(contract.CodeDatasetInvalid, "the dataset %s has two objects for the file %s", uri, it.path).WithHint("Remove one of them.")
		}
		dir := it.path[:max(strings.LastIndexByte(it.path, '/'), 0)]
		if _, ok := ids[dir]; !ok {
			l.dirs = append(l.dirs, dir)
			ids[dir] = int32(len(l.dirs))
			for p := dir; p != "" && !parents[p]; p = p[:max(strings.LastIndexByte(p, '/'), 0)] {
				parents[p] = true
			}
		}
		it.dir = ids[dir]
		l.bytes += min(it.size, mostBytes-l.bytes)
	}
	for i := range l.items {
		if parents[l.items[i].path] {
			return contract.Failf(contract.CodeDatasetInvalid, "the dataset %s has %s both as a file and as a folder", uri, l.items[i].path).WithHint("Rename the object.")
		}
	}
	if l.folders = int64(len(parents)); limits.MaxFiles > 0 && int64(len(l.items))+l.folders > limits.MaxFiles {
		return contract.Failf(contract.CodeDatasetTooLarge, "the dataset %s has %d files in %d folders; the limit is %d together", uri, len(l.items), l.folders, limits.MaxFiles).
			WithHint("Raise AGENT_MAX_DATASET_FILES if that is meant.")
	}
	limit := int64(mostBytes - 1)
	if limits.MaxBytes > 0 {
		limit = min(limit, limits.MaxBytes)
	}
	if l.bytes > limit {
		return contract.Failf(contract.CodeDatasetTooLarge, "the dataset %s has %s; the limit is %s", uri, human(l.bytes), human(limit)).
			WithHint("Raise AGENT_MAX_DATASET_BYTES if that is meant.")
	}
	return nil
}

// hash names this state of the prefix: any object added, removed or replaced
// changes it.
func (l *listing) hash() string {
	h := sha256.New()
	for i := range l.items {
		_, _ = fmt.Fprintf(h, "%q %d %s\n", l.items[i].key, l.items[i].size, l.items[i].tag)
	}
	return hex.EncodeToString(h.Sum(nil))
}
