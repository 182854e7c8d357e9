package images

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/dataset"
)

// clean makes a path of a file name, or says that it must not be one: it would
// lead out of the dataset.
func clean(name string) (string, bool) {
	if name == "" || strings.ContainsRune(name, 0) || strings.HasPrefix(name, "/") || strings.HasPrefix(name, `\`) {
		return "", false
	}
	if len(name) > 1 && name[1] == ':' && (name[0]|0x20) >= 'a' && (name[0]|0x20) <= 'z' {
		return "", false // C:\...
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

// spelling is how a dataset's file names lead to files: below a folder, with
// backslashes turned round or not. It is decided once for the whole dataset.
type spelling struct {
	base    string
	slashes bool // the names have Windows' separators
}

// of is where a clean name leads.
func (s spelling) of(name string) string {
	if s.slashes {
		name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	}
	if s.base == "" {
		return name
	}
	return s.base + "/" + name
}

// spellings are the candidates, the usual one first.
func spellings(c *dataset.Catalog) []spelling {
	bases := []string{"images", ""}
	if root, ok := clean(strings.TrimPrefix(c.ImageRoot, "/")); ok {
		for parts := strings.Split(root, "/"); len(parts) > 0; parts = parts[1:] {
			if base := strings.Join(parts, "/"); !slices.Contains(bases, base) {
				bases = append(bases, base)
			}
		}
	}
	var list []spelling
	for _, slashes := range []bool{false, true} {
		for _, base := range bases {
			list = append(list, spelling{base, slashes})
		}
	}
	return list
}

// decide picks the spelling that finds the most images, the earlier on a tie,
// and returns the files that it finds: indexes into the tree's names, or -1.
func decide(c *dataset.Catalog, t *Tree, names []string) (spelling, []int32) {
	windows := slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, `\`) })
	var best spelling
	var bestFound []int32
	bestHits := -1
	for _, s := range spellings(c) {
		if s.slashes && !windows {
			continue
		}
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

// variants finds files whose name differs from what the dataset says in its
// Unicode form only (macOS decomposes names) or in case.
type variants struct{ composed, folded map[string]string }

func newVariants(t *Tree) *variants {
	v := &variants{make(map[string]string), make(map[string]string)}
	for _, name := range t.names {
		v.put(v.composed, norm.NFC.String(name), name)
		v.put(v.folded, strings.ToLower(norm.NFC.String(name)), name)
	}
	return v
}

// put marks keys that two files share as ambiguous.
func (v *variants) put(m map[string]string, key, name string) {
	if _, twice := m[key]; twice {
		name = ""
	}
	m[key] = name
}
