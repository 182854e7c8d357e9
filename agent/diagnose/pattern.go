package diagnose

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first asked. All of
// them together take 4 ms and 3 MB, which no job that succeeds needs to spend, and
// none should before its child starts.
type pattern struct {
	expression string
	compile    func() *regexp.Regexp
}

// patterns are all that were written, so that a test can compile them.
var patterns []*pattern

// re writes a pattern, at the start of the program only.
func re(expression string) *pattern {
	p := &pattern{expression, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
	patterns = append(patterns, p)
	return p
}

func (p *pattern) MatchString(s string) bool            { return p.compile().MatchString(s) }
func (p *pattern) FindString(s string) string           { return p.compile().FindString(s) }
func (p *pattern) FindStringIndex(s string) []int       { return p.compile().FindStringIndex(s) }
func (p *pattern) FindStringSubmatch(s string) []string { return p.compile().FindStringSubmatch(s) }
func (p *pattern) ReplaceAllString(s, with string) string {
	return p.compile().ReplaceAllString(s, with)
}
func (p *pattern) FindStringSubmatchIndex(s string) []int {
	return p.compile().FindStringSubmatchIndex(s)
}

func (p *pattern) ExpandString(to []byte, template, s string, match []int) []byte {
	return p.compile().ExpandString(to, template, s, match)
}
