package isolation

import (
	"os"
	"path/filepath"
)

// programs are what others run or believe: the agent (a health check, the jobs after this
// one), and for a child that is root what a user cannot change anyway, the folders of
// programs and their libraries, and /etc: whoever writes /etc/hosts gets the agent's next
// connection, and its token. A folder that is not there yet is named too: one that comes
// first in PATH would be taken.
func (s *Stage) programs() (list []string) {
	if s.other() {
		return nil
	}
	if self, err := os.Executable(); err == nil {
		list = append(list, self, filepath.Dir(self))
	}
	if s.asRoot() {
		list = append(list, "/etc", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", os.Getenv("SSL_CERT_FILE"))
		for _, variable := range []string{"PATH", "LD_LIBRARY_PATH", "SSL_CERT_DIR"} {
			list = append(list, filepath.SplitList(os.Getenv(variable))...)
		}
		libraries, _ := filepath.Glob("/lib/*-linux-gnu*")
		list = append(append(list, "/lib64", "/usr/lib64"), libraries...)
	}
	return absolute(list)
}

// absolute leaves out the root, with which everything would be read-only, what is relative
// to a folder of nobody's, and what lies where everybody makes files: a script counts on
// /tmp also where TMPDIR is another folder.
func absolute(paths []string) (list []string) {
	for _, path := range paths {
		path = filepath.Clean(path)
		if filepath.IsAbs(path) && path != "/" && !within(path, "/tmp") && !within(path, "/var/tmp") {
			list = append(list, path)
		}
	}
	return list
}
