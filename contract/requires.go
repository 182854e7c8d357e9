package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Requires is what a trainer needs where its jobs run; what is left out needs nothing.
type Requires struct {
	Agent  string `json:"agent,omitempty"`  // versions of trainer-agent, such as ">=1.4, <2"
	Python string `json:"python,omitempty"` // versions of Python, such as ">=3.11"
	Device string `json:"device,omitempty"` // "cuda" or "cpu"
}

// Place is what is there. What cannot be told is empty.
type Place struct{ Agent, Python, Device string }

// Unmet is one thing that a trainer needs and that is not there, or cannot be told (Has is
// empty then).
type Unmet struct{ Field, Needs, Has string }

// String is one sentence without its full stop.
func (u Unmet) String() string {
	return fmt.Sprintf("the trainer requires %s %s (capabilities.json), and %s is here", u.Field, u.Needs, cmp.Or(u.Has, "an unknown one"))
}

// UnmarshalJSON refuses what is not known: a need that is misspelt would never be met, nor missed.
func (r *Requires) UnmarshalJSON(text []byte) error {
	type plain Requires
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode((*plain)(r)); err != nil {
		return fmt.Errorf(`requires: %w; it has "agent", "python" and "device", each a text`, err)
	}
	return nil
}

// Wrong says what is malformed, and what no place can ever meet.
func (r Requires) Wrong() (wrong []string) {
	for _, field := range []struct{ name, text string }{{"agent", r.Agent}, {"python", r.Python}} {
		if field.text == "" {
			continue
		}
		versions, err := parseVersions(field.text)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("requires.%s: %v", field.name, err))
		case !versions.possible():
			wrong = append(wrong, fmt.Sprintf("requires.%s: no version is %q", field.name, field.text))
		}
	}
	if r.Device != "" && r.Device != "cuda" && r.Device != "cpu" {
		wrong = append(wrong, fmt.Sprintf("requires.device: %q is neither cuda nor cpu", r.Device))
	}
	return wrong
}

// Unmet is what the place has not. It is for requirements of which nothing is Wrong.
func (r Requires) Unmet(here Place) (unmet []Unmet) {
	for _, field := range []struct{ name, needs, has string }{{"agent", r.Agent, here.Agent}, {"python", r.Python, here.Python}} {
		if field.needs == "" {
			continue
		}
		versions, err := parseVersions(field.needs)
		has, known := numbers(field.has)
		switch {
		case !known:
			unmet = append(unmet, Unmet{Field: field.name, Needs: field.needs})
		case err != nil || !versions.hold(has):
			unmet = append(unmet, Unmet{field.name, field.needs, field.has})
		}
	}
	if r.Device != "" && here.Device != "" && !strings.HasPrefix(here.Device, r.Device) { // cuda:0 is cuda
		unmet = append(unmet, Unmet{"device", r.Device, here.Device})
	}
	return unmet
}

// version is major, minor, patch.
type version [3]int

// numbers reads a version as programs tell theirs: v1.4.0-3-gabc is 1.4.0. Of a build that
// has no version, such as a commit, nothing is known.
func numbers(text string) (v version, known bool) {
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", len(v)+1)
	for i, part := range parts[:min(len(parts), len(v))] {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(part)
		}
		n, err := strconv.Atoi(part[:end])
		if err != nil {
			return v, false
		}
		v[i] = n
	}
	return v, len(parts) > 1
}

// versions are bounds that all hold.
type versions []comparison

// comparison compares as many numbers as are written: 3.11.2 is "==3.11" and "<=3.11", and is not ">3.11".
type comparison struct {
	operator string
	version  version
	written  int
}

var operators = []string{">=", "<=", "==", "!=", ">", "<"} // the longer ones first

func parseVersions(text string) (all versions, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		i := slices.IndexFunc(operators, func(o string) bool { return strings.HasPrefix(part, o) })
		if i < 0 {
			return nil, fmt.Errorf(`%q is no bound: write it as ">=1.4" or ">=1.4, <2" (%s)`, part, strings.Join(operators, " "))
		}
		b := comparison{operator: operators[i]}
		for number := range strings.SplitSeq(strings.TrimSpace(strings.TrimPrefix(part, b.operator)), ".") {
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil || b.written == len(b.version) {
				return nil, fmt.Errorf("%q has no version of one to three numbers", part)
			}
			b.version[b.written], b.written = int(n), b.written+1
		}
		all = append(all, b)
	}
	return all, nil
}

func (b comparison) holds(v version) bool {
	order := slices.Compare(v[:b.written], b.version[:b.written])
	switch b.operator {
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	}
	return order < 0
}

func (all versions) hold(v version) bool {
	return !slices.ContainsFunc(all, func(b comparison) bool { return !b.holds(v) })
}

// possible says whether any version holds. If one does, so does the smallest, which is 0, a
// bound, or what follows a bound.
func (all versions) possible() bool {
	try := []version{{}}
	for _, b := range all {
		next, patch := b.version, b.version
		next[b.written-1]++
		patch[len(patch)-1]++
		try = append(try, b.version, next, patch)
	}
	return slices.ContainsFunc(try, all.hold)
}
