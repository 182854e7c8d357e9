package isolation

import (
	"os"
	"path/filepath"
)

// neighbours are other jobs' workspaces and states in the folders that this job's lie in.
// What is made there later is nothing that the child was given.
func (j Job) neighbours() []string {
	w := j.Workspace
	return append(beside(w.Root, filepath.Base(w.Output()), filepath.Base(w.Home())),
		beside(w.Private().Dir, filepath.Base(w.Private().Outbox()), filepath.Base(w.Private().LockFile()))...)
}

// beside are the folders next to dir that have both entries.
func beside(dir, one, other string) (list []string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	parent := filepath.Dir(real)
	entries, _ := os.ReadDir(parent) // what cannot be listed is no child's either
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		if path != real && there(filepath.Join(path, one)) && there(filepath.Join(path, other)) {
			list = append(list, path)
		}
	}
	return list
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
