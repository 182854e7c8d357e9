package archive

import (
	"archive/zip"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

const encrypted = 1 // the bit of a zip entry's flags

// Check says what is wrong with an archive from its directory alone, before a byte is
// unpacked. The directory may lie: Unpack holds every file to what it says here.
func Check(in *zip.Reader, limits Limits) []contract.Finding {
	if limits.Files > 0 && len(in.File) > limits.Files {
		return []contract.Finding{refuse("archive.files", "", fmt.Sprintf("the archive has %d files; the limit is %d", len(in.File), limits.Files), "leave out data, caches and environments")}
	}
	var found []contract.Finding
	var total uint64
	names := newMeets()
	for _, f := range in.File {
		if Junk(f.Name) {
			continue
		}
		found = append(found, limits.entry(f, names)...)
		if total += f.UncompressedSize64; total < f.UncompressedSize64 {
			total = math.MaxUint64
		}
	}
	if limits.Bytes > 0 && total > uint64(limits.Bytes) {
		found = append(found, refuse("archive.size", "", fmt.Sprintf("the archive unpacks to %d bytes; the limit is %d", total, limits.Bytes), "leave out data and weights: a job fetches them"))
	}
	if file := overlapping(in.File); file != "" {
		found = append(found, refuse("archive.bomb", file, "two files share the same packed bytes, as in archives that explode", "zip the folder anew"))
	}
	return found[:min(len(found), maxFindings)]
}

// entry looks at one entry of the directory.
func (l Limits) entry(f *zip.File, names *meets) (found []contract.Finding) {
	if rule, text := l.nameProblem(f.Name); text != "" {
		return append(found, refuse(rule, f.Name, text, "rename the file and zip the folder anew"))
	}
	if kind := kindProblem(f); kind != "" {
		return append(found, refuse("archive.link", f.Name, "it is "+kind, "put the file itself in its place"))
	}
	if other := names.add(f.Name, f.FileInfo().IsDir()); other != "" {
		found = append(found, refuse("archive.collision", f.Name, "it is the same file as "+printable(other)+" on some systems", "rename one of them"))
	}
	switch {
	case f.Flags&encrypted != 0:
		found = append(found, refuse("archive.encrypted", f.Name, "it is encrypted and cannot be looked at", "zip without a password"))
	case f.Method != zip.Store && f.Method != zip.Deflate:
		found = append(found, refuse("archive.method", f.Name, fmt.Sprintf("it is packed by method %d", f.Method), "zip with deflate, which every tool has as its default"))
	case l.Ratio > 0 && f.UncompressedSize64 > ratioFloor && f.UncompressedSize64/max(f.CompressedSize64, 1) > uint64(l.Ratio):
		found = append(found, refuse("archive.bomb", f.Name, fmt.Sprintf("it unpacks to %d times its size", f.UncompressedSize64/max(f.CompressedSize64, 1)), "leave the file out"))
	}
	return found
}

// overlapping names a file whose packed bytes are another's too.
func overlapping(files []*zip.File) string {
	type span struct {
		from, to int64
		name     string
	}
	spans := make([]span, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil || f.CompressedSize64 > math.MaxInt64/2 {
			return f.Name
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{from, from + int64(f.CompressedSize64), f.Name})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return spans[i].name
		}
	}
	return ""
}
