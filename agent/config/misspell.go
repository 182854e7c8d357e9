package config

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract/spelling"
)

// misspellings warns about variables that look like a known one. Only names
// close to ours are reported: a container's environment is full of others'.
func misspellings(environ []string) (problems []Problem) {
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || isKnown(name) {
			continue
		}
		if near := nearest(name); near != "" {
			problems = append(problems, Problem{
				Variable: name, Warning: true,
				Expected: "is not a variable of the agent; did you mean " + near + "?",
			})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Variable, b.Variable) })
	return problems
}

func isKnown(name string) bool {
	return slices.ContainsFunc(variables(), func(v variable) bool {
		return name == v.name || v.secret && name == v.name+"_FILE"
	})
}

// nearest finds the known name that was meant.
func nearest(name string) string { return spelling.Nearest(name, Names()) }
