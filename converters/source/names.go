package source

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/catalog"
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
	if out == "." || out == ".." || strings.HasPrefix(out, "../") || slices.Contains(strings.Split(name, `\`), "..") {
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

func (s spelling) of(name string) string {
	if s.slashes {
		name = strings.ReplaceAll(name, `\`, "/")
	}
	return path.Join(s.base, name)
}

// spellings are the candidates, the usual one first.
func spellings(c *catalog.Catalog) []spelling {
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

// decide picks the spelling that finds the most images; the earlier on a tie.
func decide(c *catalog.Catalog, t *Tree, names []string) spelling {
	windows := slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, `\`) })
	var best spelling
	bestHits := -1
	for _, s := range spellings(c) {
		if s.slashes && !windows {
			continue
		}
		hits := 0
		for _, name := range names {
			if _, found := t.files[s.of(name)]; found && name != "" {
				hits++
			}
		}
		if hits > bestHits {
			best, bestHits = s, hits
		}
		if hits == len(names) {
			break
		}
	}
	return best
}

// variants finds files whose name differs from what the dataset says in its
// Unicode form only (macOS decomposes names) or in case.
type variants struct{ composed, folded map[string]string }

func newVariants(t *Tree) *variants {
	v := &variants{make(map[string]string), make(map[string]string)}
	for name := range t.files {
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
