package contract

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// operations.md is where an operator looks a word up: every code and every event
// has its row there, and no row is about a word that is gone.
func TestOperationsExplainsEveryCodeAndEvent(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := func(pattern string) (list []string) {
		for _, found := range regexp.MustCompile(`(?m)^\| `+pattern+` \| .*\w.* \|$`).FindAllSubmatch(text, -1) {
			list = append(list, string(found[1]))
		}
		slices.Sort(list)
		return list
	}
	var codes []string
	for _, code := range Codes() {
		codes = append(codes, fmt.Sprintf("%s | %d", code, code.ExitCode()))
	}
	slices.Sort(codes)
	if got := rows(`([A-Z_]+ \| \d+)`); !slices.Equal(got, codes) {
		t.Errorf("codes of operations.md:\n%q\nof the contract:\n%q", got, codes)
	}
	events := eventTypes(t)
	slices.Sort(events)
	if got := rows("`([a-z_]+)`"); !slices.Equal(got, events) {
		t.Errorf("events of operations.md:\n%q\nof the contract:\n%q", got, events)
	}
}

// eventTypes reads the constants of type EventType out of the source.
func eventTypes(t *testing.T) (list []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "callbacks.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "EventType" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, value)
		}
		return true
	})
	return list
}
