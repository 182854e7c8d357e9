package images

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// clean makes a path of a file name, or says that it must not be one: it would
// lead out of the dataset.
func clean(name string) (string, bool) {
	if name == "" || strings.ContainsRune(name, 0) || absolute(name) {
		return "", false
	}
	out := path.Clean(name)
	if out == "." || out == ".." || strings.HasPrefix(out, "../") {
		return "", false
	}
	if strings.Contains(name, `\`) && slices.Contains(strings.Split(name, `\`), "..") {
		return "", false
	}
	return out, true
}

// leavesRoot reports an image_root that leads out of the dataset by "..". One of a machine
// or a bucket is common and says where the images once were.
func leavesRoot(root string) bool {
	slashed := strings.TrimLeft(strings.ReplaceAll(root, `\`, "/"), "/")
	out := path.Clean(slashed)
	return out == ".." || strings.HasPrefix(out, "../")
}

// absolute reports a path of a machine, Windows' too, and the address of a file.
func absolute(name string) bool {
	return strings.HasPrefix(name, "/") || strings.HasPrefix(name, `\`) || HasDrive(name) || address(name)
}

// address reports names such as https://host/images/a.jpg and s3://bucket/a.jpg.
func address(name string) bool {
	scheme, _, found := strings.Cut(name, "://")
	return found && scheme != "" && !strings.ContainsAny(scheme, `/\`)
}

// local is the path in an address, without what a signature adds to it.
func local(name string) string {
	if u, err := url.Parse(name); err == nil {
		return u.Path
	}
	_, name, _ = strings.Cut(name, "://")
	return name
}

// HasDrive reports a path of Windows with its drive letter.
func HasDrive(name string) bool {
	return len(name) > 1 && name[1] == ':' && (name[0]|0x20) >= 'a' && (name[0]|0x20) <= 'z'
}

// spelling is how a dataset's file names lead to files: below a folder, with
// backslashes turned round or not, with images/ in front or not.
type spelling struct {
	base    string
	slashes bool // the names have Windows' separators
	bare    bool // the names have images/ in front, and the files have not
}

// of is where a clean name leads.
func (s spelling) of(name string) string {
	if s.slashes {
		name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	}
	if s.bare {
		name = strings.TrimPrefix(name, imagesPrefix)
	}
	if s.base == "" || s.base == "." {
		return name
	}
	return s.base + "/" + name
}

const imagesPrefix = "images/"

// usualBases are the folders that names of the Platform Format may be below, the usual
// one first; imageRoot is storage_info.image_root, a place in a bucket.
func usualBases(imageRoot string) []string {
	bases := []string{"images", ""}
	if root, ok := clean(strings.TrimPrefix(imageRoot, "/")); ok {
		for parts := strings.Split(root, "/"); len(parts) > 0; parts = parts[1:] {
			if base := strings.Join(parts, "/"); !slices.Contains(bases, base) {
				bases = append(bases, base)
			}
		}
	}
	return bases
}

// spellings are the candidates for these names, the usual one first.
func spellings(bases, names []string) []spelling {
	var windows, prefixed bool
	for _, name := range names {
		windows = windows || strings.Contains(name, `\`)
		prefixed = prefixed || strings.HasPrefix(strings.ReplaceAll(name, `\`, "/"), imagesPrefix)
	}
	var list []spelling
	for _, slashes := range []bool{false, true} {
		for _, bare := range []bool{false, true} {
			if slashes && !windows || bare && !prefixed {
				continue
			}
			for _, base := range bases {
				list = append(list, spelling{base, slashes, bare})
			}
		}
	}
	return list
}

// decide picks the spelling that finds the most images, the earlier on a tie,
// and returns the files that it finds: indexes into the tree's names, or -1.
func decide(list []spelling, t *Tree, names []string) (spelling, []int32) {
	var best spelling
	var bestFound []int32
	bestHits := -1
	for _, s := range list {
		found, hits := s.try(t, names)
		if hits > bestHits {
			best, bestFound, bestHits = s, found, hits
		}
		if hits == len(names) {
			break
		}
	}
	return best, bestFound
}

func (s spelling) try(t *Tree, names []string) (found []int32, hits int) {
	found = make([]int32, len(names))
	for i, name := range names {
		found[i] = -1
		if name == "" {
			continue
		}
		if k, ok := t.index[s.of(name)]; ok {
			found[i] = k
			hits++
		}
	}
	return found, hits
}
