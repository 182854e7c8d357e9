package build

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// made are the files of an environment that name where it was made, or are links: an image
// has its own, or does without.
var made = []string{"pyvenv.cfg", "lib64", ".gitignore", "bin/activate", "bin/activate.csh", "bin/activate.fish", "bin/Activate.ps1"}

// addTo adds the environment to an image's layer as it was proven, but for its place and its
// interpreter: packages, .pth files, programs, and what wheels put beside (share/, etc/, …).
func (e *Environment) addTo(l *layer, python string) error {
	_, version, _ := strings.Cut(path.Base(python), "python")
	own := append([]string{"bin/python", "bin/python3", "bin/python" + version}, made...)
	err := l.tree(e.dir, venv, func(name string) (edit, bool) {
		switch {
		case slices.Contains(own, name):
			return nil, false
		case path.Dir(name) == "bin":
			return e.started, true
		case path.Base(name) == "RECORD" && strings.HasSuffix(path.Dir(name), ".dist-info"):
			return withoutHashesOfPrograms, true
		}
		return nil, true
	})
	if err != nil {
		return err
	}
	config := fmt.Sprintf("home = %s\ninclude-system-site-packages = false\nversion = %s\n", path.Dir(python), version)
	return errors.Join(
		l.file(venv+"/pyvenv.cfg", 0o644, int64(len(config)), strings.NewReader(config)),
		l.link(venv+"/lib64", "lib"), l.link(venv+"/bin/python", python), l.link(venv+"/bin/python3", "python"), l.link(venv+"/bin/python"+version, "python"))
}

// started has a program of a wheel start with the image's interpreter in place of the one
// that pip knew. A path that is too long for a first line pip hands to a shell.
func (e *Environment) started(program []byte) []byte {
	const here = "#!/" + venv + "/bin/python"
	if after, ok := bytes.CutPrefix(program, []byte("#!"+e.Python)); ok {
		return append([]byte(here), after...)
	}
	if after, ok := bytes.CutPrefix(program, []byte("#!/bin/sh\n'''exec' "+e.Python+` "$0" "$@"`+"\n' '''\n")); ok {
		return append([]byte(here+"\n"), after...)
	}
	return program
}

// withoutHashesOfPrograms leaves them out of an installed package's list of files: programs
// are others in the image, for they begin with the path of their interpreter.
func withoutHashesOfPrograms(record []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(record) {
		if bytes.HasPrefix(line, []byte("../../../bin/")) {
			for range 2 { // the size and the hash
				line = line[:max(0, bytes.LastIndexByte(line, ','))]
			}
			line = append(bytes.Clone(line), ",,\n"...)
		}
		out.Write(line)
	}
	return out.Bytes()
}
