package crew

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryGoroutineIsStartedHere reads the sources of the agent's binary: a goroutine that
// recovers nothing takes the agent with it when it panics, and nobody hears of the job again.
func TestEveryGoroutineIsStartedHere(t *testing.T) {
	files := 0
	for _, root := range []string{"agent", "converters", "cmd/trainer-agent", "contract"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(filepath.Dir(path)) == "crew" {
				return err
			}
			files++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, f := range bare(file) {
				t.Errorf("%s: %s", fset.Position(f.at), f.instead)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 200 {
		t.Errorf("only %d files were read", files)
	}
}

type finding struct {
	at      token.Pos
	instead string
}

// bare are the goroutines of a file whose panic nobody recovers.
func bare(file *ast.File) (found []finding) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			if n.Path.Value == `"golang.org/x/sync/errgroup"` {
				found = append(found, finding{n.Pos(), "use crew.New or crew.WithContext instead of an errgroup: a panic there ends the agent without done"})
			}
		case *ast.GoStmt:
			found = append(found, finding{n.Pos(), "use crew.Go(f) instead of a go statement: a panic there ends the agent without done"})
		case *ast.CallExpr:
			if name := startedBy(n); name != "" {
				found = append(found, finding{n.Pos(), "give crew.Guarded(f) to " + name + " instead of f: a panic there ends the agent without done"})
			}
		}
		return true
	})
	return found
}

// startedBy names the call that starts a bare goroutine: Go of a sync.WaitGroup, AfterFunc of
// context or time. What a Group starts returns an error.
func startedBy(call *ast.CallExpr) string {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 || f.Sel.Name != "Go" && f.Sel.Name != "AfterFunc" || isCrew(f) {
		return ""
	}
	switch arg := call.Args[len(call.Args)-1].(type) {
	case *ast.FuncLit:
		if arg.Type.Results != nil {
			return ""
		}
	case *ast.CallExpr:
		if g, ok := arg.Fun.(*ast.SelectorExpr); ok && isCrew(g) && g.Sel.Name == "Guarded" {
			return ""
		}
	}
	return f.Sel.Name
}

func isCrew(f *ast.SelectorExpr) bool {
	x, ok := f.X.(*ast.Ident)
	return ok && x.Name == "crew"
}

func TestABareGoroutineIsFound(t *testing.T) {
	for line, want := range map[string]int{
		"go f()": 1, "go func() {}()": 1, "w.Go(f)": 1, "w.Go(func() {})": 1, "context.AfterFunc(ctx, f)": 1, "time.AfterFunc(d, t.stop)": 1, "go crew.Guarded(f)()": 1,
		"crew.Go(f)": 0, "w.Go(crew.Guarded(f))": 0, "context.AfterFunc(ctx, crew.Guarded(f))": 0, "g.Go(func() error { return nil })": 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() { "+line+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(bare(file)); got != want {
			t.Errorf("%s: %d found, want %d", line, got, want)
		}
	}
}
