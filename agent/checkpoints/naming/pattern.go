package naming

import (
	"regexp"
	"sync"
)

// lazily compiles an expression at its first use: what a package compiles when it
// is loaded, every start of the agent pays for, also one that watches nothing.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
