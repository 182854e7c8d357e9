package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
)

// suffixes are the file suffixes that every reader knows for a format; the first
// is written when the file's own is another.
var suffixes = map[string][]string{
	imagefile.JPEG: {".jpg", ".jpeg"}, imagefile.PNG: {".png"}, imagefile.BMP: {".bmp"},
	imagefile.TIFF: {".tif", ".tiff"}, imagefile.WebP: {".webp"}, imagefile.HEIC: {".heic", ".heif"},
	imagefile.AVIF: {".avif"}, imagefile.JP2: {".jp2"}, imagefile.GIF: {".gif"},
}

// withSuffix gives a name the suffix of its content: readers choose files by
// suffix and open them by content.
func withSuffix(name, format string, mode Mode) string {
	if mode == Convert {
		format = imagefile.PNG
	}
	known := suffixes[format]
	ext := path.Ext(name)
	for _, s := range known {
		if strings.EqualFold(ext, s) {
			return name
		}
	}
	if isImageSuffix(ext) {
		name = strings.TrimSuffix(name, ext)
	}
	return name + known[0]
}

func isImageSuffix(ext string) bool {
	for _, list := range suffixes {
		for _, s := range list {
			if strings.EqualFold(ext, s) {
				return true
			}
		}
	}
	return false
}

// maxNameBytes keeps a name with its suffix and a label's suffix below the 255
// bytes of a file system.
const maxNameBytes = 200

// SafePart makes one part of a path safe: no control or line-separator
// characters, no leading dot, no backslash, valid UTF-8, short enough. Names that
// are safe already keep their bytes, so a label's stem equals its image's.
func SafePart(part string) string {
	safe := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || r == '\\' || r == '/' || r == '\u2028' || r == '\u2029' {
			return '_'
		}
		return r
	}, part)
	if strings.HasPrefix(safe, ".") || safe == "" {
		safe = "_" + safe
	}
	return shorten(safe, maxNameBytes)
}

// shorten cuts a name at a rune and makes up for what is lost with a hash; a
// suffix stays.
func shorten(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	ext := path.Ext(name)
	if len(ext) > 10 {
		ext = ""
	}
	tail := "~" + hex.EncodeToString(sum[:4]) + ext
	cut := name[:limit-len(tail)]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + tail
}

// safePath makes every part safe, and keeps the folder names that YOLO's label
// rule is about out of the way: the last /images/ of a path is replaced by
// /labels/.
func safePath(rel string) string {
	parts := strings.Split(rel, "/")
	for i, part := range parts {
		parts[i] = SafePart(part)
		if i < len(parts)-1 && (parts[i] == "images" || parts[i] == "labels") {
			parts[i] += "_"
		}
	}
	return strings.Join(parts, "/")
}

// fold is equal for names that a case-folding or composing file system takes
// for one.
func fold(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// Mirror gives every image a path whose stem no other has, keeping folders: a
// label file beside it, or in a mirrored tree, then belongs to one image. A
// later x.png beside x.jpg becomes x__png.png.
func (p *Plan) Mirror() {
	used := make(map[string]bool, len(p.Images))
	for i := range p.Images {
		im := &p.Images[i]
		im.Rel = unique(used, safePath(im.Rel))
		p.note(im.Rel, im, im.Rel != plainName(p.Catalog.Images[im.Index].File))
	}
}

// plainName is a dataset's name of a file as its readers in Python look for it.
func plainName(file string) string {
	return strings.TrimPrefix(strings.TrimPrefix(file, "./"), "images/")
}

// Flatten is Mirror for layouts whose only folder is the class: folder is that
// of image i.
func (p *Plan) Flatten(folder func(i int) string) {
	used := make(map[string]bool, len(p.Images))
	shared := make(map[string]int, len(p.Images))
	for i := range p.Images {
		shared[path.Base(p.Images[i].Rel)]++
	}
	for i := range p.Images {
		im := &p.Images[i]
		file := path.Base(im.Rel)
		split := string(im.Split) + "/"
		dir := split + folder(i) + "/"
		name := SafePart(file)
		if used[stemKey(dir+name)] {
			name = SafePart(strings.ReplaceAll(im.Rel, "/", "__"))
		}
		placed := unique(used, dir+name)
		im.Rel = strings.TrimPrefix(placed, split)
		// A name that several folders of the dataset have leads to none of them.
		p.note(placed, im, shared[file] > 1 || path.Base(placed) != path.Base(p.Catalog.Images[im.Index].File))
	}
}

func stemKey(rel string) string { return fold(strings.TrimSuffix(rel, path.Ext(rel))) }

// unique returns rel, or a variant whose stem is not used yet.
func unique(used map[string]bool, rel string) string {
	ext := path.Ext(rel)
	stem := strings.TrimSuffix(rel, ext)
	candidate := rel
	for n := 1; used[stemKey(candidate)]; n++ {
		mark := "__" + strings.ToLower(strings.TrimPrefix(ext, "."))
		if n > 1 {
			mark += fmt.Sprintf("%d", n)
		}
		candidate = stem + mark + ext
	}
	used[stemKey(candidate)] = true
	return candidate
}

// note keeps the dataset's own name of an image where the prepared one does not tell it.
func (p *Plan) note(placed string, im *Image, differs bool) {
	if !differs {
		return
	}
	if p.Renamed == nil {
		p.Renamed = make(map[string]string)
	}
	p.Renamed[placed] = p.Catalog.Images[im.Index].File
}
