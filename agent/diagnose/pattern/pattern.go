// Package pattern holds regular expressions that are compiled when they are first
// asked. All of the diagnosis' together take milliseconds and megabytes, which no
// job that succeeds needs to spend, and none should before its child starts.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is one regular expression.
type Pattern struct {
	expression string
	compile    func() *regexp.Regexp
}

var all []*Pattern

// Of writes a pattern, at the start of the program only. One that does not compile
// panics when it is asked: All is for the test that asks every one.
func Of(expression string) *Pattern {
	p := &Pattern{expression, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
	all = append(all, p)
	return p
}

// All are the patterns of the program.
func All() []*Pattern { return all }

// String is the expression.
func (p *Pattern) String() string { return p.expression }

// Match reports whether s contains a match.
func (p *Pattern) Match(s string) bool { return p.compile().MatchString(s) }

// Find returns the first match, or "".
func (p *Pattern) Find(s string) string { return p.compile().FindString(s) }

// At returns where the first match begins, or -1.
func (p *Pattern) At(s string) int {
	if at := p.compile().FindStringIndex(s); at != nil {
		return at[0]
	}
	return -1
}

// Groups returns the first match and what its groups captured, or nil.
func (p *Pattern) Groups(s string) []string { return p.compile().FindStringSubmatch(s) }

// Replace puts with in place of every match.
func (p *Pattern) Replace(s, with string) string { return p.compile().ReplaceAllString(s, with) }

// Expand fills "${1}" and the like in each template from the first match in s. It
// returns nil where there is none.
func (p *Pattern) Expand(s string, templates ...string) []string {
	re := p.compile()
	at := re.FindStringSubmatchIndex(s)
	if at == nil {
		return nil
	}
	out := make([]string, len(templates))
	for i, t := range templates {
		out[i] = string(re.ExpandString(nil, t, s, at))
	}
	return out
}
