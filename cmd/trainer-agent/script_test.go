package main_test

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the commands as a person types them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(shared.agent)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("BACKEND", shared.URL)
			e.Setenv("TOKEN", token)
			for name, value := range shared.Store.Env() {
				e.Setenv("STORE_"+name, value)
			}
			return nil
		},
	})
}
