package images

import (
	"net/url"
	"path"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// Match is how the names of a dataset lead to its files. The rule is decided once,
// from what is on disk; the names that it leads nowhere are tried once more, each
// by itself.
type Match struct {
	Base  string  // the folder that the rule puts in front
	files []int32 // by name: index into the tree's names, or -1
	how   []problem.Kind
	t     *Tree
}

// Match finds files by the names that a dataset has for them, below one of the
// folders bases. Empty names are passed over.
func (t *Tree) Match(bases, names []string) *Match {
	cleaned := make([]string, len(names))
	for i, name := range names {
		cleaned[i], _ = clean(name)
	}
	list := spellings(bases, names)
	rule, found := decide(list, t, cleaned)
	m := &Match{Base: rule.base, files: found, t: t}
	var others *variants
	for i, name := range names {
		if found[i] >= 0 || name == "" {
			continue
		}
		if others == nil {
			others = newVariants(t)
			m.how = make([]problem.Kind, len(names))
		}
		m.files[i], m.how[i] = others.find(rule, list, bases, name, cleaned[i])
	}
	return m
}

// File is the file of name i as the tree has it; empty where there is none.
func (m *Match) File(i int) string {
	if m.files[i] < 0 {
		return ""
	}
	return m.t.names[m.files[i]]
}

// Differs reports how the file of name i is spelled otherwise than the rule says.
func (m *Match) Differs(i int) (problem.Kind, bool) {
	if m.how == nil || m.how[i].Code == "" {
		return problem.Kind{}, false
	}
	return m.how[i], true
}

// variants finds files whose name differs from what the dataset says in its
// Unicode form only (macOS decomposes names), in case, or in what stands in front.
type variants struct {
	t                *Tree
	composed, folded map[string]int32 // -1 where several files share a form
}

func newVariants(t *Tree) *variants {
	v := &variants{t, make(map[string]int32), make(map[string]int32)}
	for i, name := range t.names {
		composed := norm.NFC.String(name)
		put(v.composed, composed, int32(i))
		put(v.folded, strings.ToLower(composed), int32(i))
	}
	return v
}

// put marks keys that two files share as ambiguous.
func put(m map[string]int32, key string, file int32) {
	if _, twice := m[key]; twice {
		file = -1
	}
	m[key] = file
}

// find tries one name by every rule, the dataset's own first, and says what was
// different about it.
func (v *variants) find(rule spelling, list []spelling, bases []string, name, cleaned string) (int32, problem.Kind) {
	if cleaned == "" {
		return v.elsewhere(bases, name), problem.OtherSpelling
	}
	file, kind := v.byRules(rule, list, cleaned)
	if plain, ok := unescaped(cleaned); ok && file < 0 {
		if file, _ = v.byRules(rule, list, plain); file >= 0 {
			kind = problem.OtherSpelling
		}
	}
	return file, kind
}

func (v *variants) byRules(rule spelling, list []spelling, cleaned string) (int32, problem.Kind) {
	if file, ok := v.composed[norm.NFC.String(rule.of(cleaned))]; ok && file >= 0 {
		return file, problem.UnicodeForm
	}
	for _, s := range list {
		if file, ok := v.t.index[s.of(cleaned)]; ok {
			return file, problem.OtherSpelling
		}
	}
	for _, s := range list {
		composed := norm.NFC.String(s.of(cleaned))
		if file, ok := v.composed[composed]; ok && file >= 0 {
			if s.slashes == rule.slashes && s.bare == rule.bare {
				return file, problem.UnicodeForm
			}
			return file, problem.OtherSpelling
		}
		if file, ok := v.folded[strings.ToLower(composed)]; ok && file >= 0 {
			return file, problem.OtherSpelling
		}
	}
	return -1, problem.Kind{}
}

// unescaped is a name that was escaped for an address, as tools of the web write it:
// my%20cat.jpg. It is tried only where no file has the name as it stands.
func unescaped(name string) (string, bool) {
	if !strings.Contains(name, "%") {
		return "", false
	}
	plain, err := url.PathUnescape(name)
	if err != nil || plain == name {
		return "", false
	}
	return clean(plain)
}

// elsewhere finds a path of another machine by its last parts, the most of them
// first. It leads nowhere but to files of the tree.
func (v *variants) elsewhere(bases []string, name string) int32 {
	if !absolute(name) || len(name) > maxPathBytes {
		return -1
	}
	switch {
	case HasDrive(name):
		name = name[2:]
	case address(name):
		name = local(name)
	}
	rest := strings.Trim(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
	for more := rest != ""; more; {
		for _, base := range bases {
			if file, ok := v.composed[norm.NFC.String(path.Join(base, rest))]; ok && file >= 0 {
				return file
			}
		}
		_, rest, more = strings.Cut(rest, "/")
	}
	return -1
}

// maxPathBytes is PATH_MAX of Linux.
const maxPathBytes = 4096
