package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestCommandThatCannotRunIsNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("plain.py", "print(1)\n", 0o644)
	noLine := write("noline", "print(1)\n", 0o755)
	badLine := write("badline", "#!/no/such/python3.99\n", 0o755)
	cases := []struct {
		name   string
		spec   Spec
		status int
		says   []string
	}{
		{"nothing", Spec{}, 127, []string{"no command"}},
		{"misspelt", Spec{Args: []string{"pyhton"}, Env: []string{"PATH=/usr/bin:/bin"}}, 127, []string{`"pyhton"`, "/usr/bin:/bin"}},
		{"no PATH", Spec{Args: []string{"python"}}, 127, []string{`"python"`}},
		{"missing file", Spec{Args: []string{"./train.py"}, Dir: dir}, 127, []string{`"./train.py"`, "no such file"}},
		{"not executable in PATH", Spec{Args: []string{"plain.py"}, Env: []string{"PATH=" + dir}}, 126, []string{`"plain.py"`, "not executable", "chmod"}},
		{"not executable", Spec{Args: []string{dir + "/plain.py"}}, 126, []string{"plain.py", "permission", "chmod"}},
		{"a folder", Spec{Args: []string{dir}}, 126, []string{dir}},
		{"no interpreter line", Spec{Args: []string{noLine}}, 126, []string{noLine, "#!"}},
		{"interpreter is missing", Spec{Args: []string{badLine}}, 126, []string{badLine, "/no/such/python3.99"}},
		{"working directory is missing", Spec{Args: []string{"/bin/true"}, Dir: dir + "/nowhere"}, 126, []string{"nowhere"}},
	}
	s := newSupervisor(t, Options{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Start(c.spec)
			e, ok := errors.AsType[*ExecError](err)
			if !ok || e.Status != c.status {
				t.Fatalf("error is %v, want status %d", err, c.status)
			}
			failure, ok := errors.AsType[*contract.Failure](err)
			if !ok {
				t.Fatalf("%T is no failure", err)
			}
			for _, part := range c.says {
				if !strings.Contains(failure.Line(), part) {
					t.Errorf("%q does not say %q", failure.Line(), part)
				}
			}
		})
	}
}

func TestCommandIsFoundInTheChildsPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "only-here"), []byte("#!/bin/sh\nexit 9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newSupervisor(t, Options{})
	for name, spec := range map[string]Spec{
		"absolute": {Env: []string{"PATH=/nowhere:" + dir}},
		"relative": {Env: []string{"PATH=."}, Dir: dir},
	} {
		spec.Args = []string{"only-here"}
		c, err := s.Start(spec)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if code := c.Status().ExitCode; code != 9 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}
