package isolation

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process/confine"
)

// Job is what is known of files before anything was prepared.
type Job struct {
	Workspace   job.Workspace
	Credentials []string        // files
	Secrets     []string        // folders in which whatever there is is secret
	Shared      []string        // what other jobs use too, read-only: sources
	Cache       string          // of this machine's jobs: closed, but for what this job uses of it
	Used        func() []string // nil: nothing
	Home, Temp  string          // of the child; may be empty
	Scratch     string          // of this user's commands, which run what they unpack there
	Peers       bool            // it runs under several agents, some of them on this machine perhaps
}

// policy of the file system as it is now. The converted labels stay writable: some
// frameworks keep what they found in them there.
func (j Job) policy() confine.Policy {
	p := confine.Policy{
		Private:  slices.Concat([]string{j.Workspace.Private().Dir, j.Cache}, j.Secrets, j.neighbours()),
		ReadOnly: slices.Concat(j.Workspace.Given(), j.Shared, j.used()),
		Writable: []string{filepath.Join(j.Workspace.Prepared(), "labels")},
		Whole:    []string{j.Workspace.Output(), j.Workspace.Home(), "/dev/shm"},
		Peers:    j.Peers,
	}
	for _, file := range j.Credentials {
		p.Private = append(p.Private, volume(file))
	}
	for _, dir := range []string{j.Home, j.Temp} {
		if filepath.IsAbs(dir) {
			p.Whole = append(p.Whole, dir)
		}
	}
	if here, err := os.Getwd(); err == nil {
		p.Whole = append(p.Whole, here)
	}
	if mine := j.inScratch(j.Scratch); mine != "" {
		p.Whole = append(p.Whole, mine)
	} else {
		p.Private = append(p.Private, j.Scratch)
	}
	p.ReadOnly = append(p.ReadOnly, j.Scratch) // also where it is missing
	return p
}

// inScratch is the entry of a scratch folder in which the job itself lies, as one of
// "trainer-agent validate" does, or "".
func (j Job) inScratch(scratch string) string {
	root := followed(j.Workspace.Root)
	for dir := root; scratch != "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Dir(dir) == followed(scratch) {
			return dir
		}
	}
	return ""
}

// followed follows links, where the path is there.
func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func (j Job) used() []string {
	if j.Used == nil {
		return nil
	}
	return j.Used()
}

// maxSecretFiles bounds the files of Secrets that are tried.
const maxSecretFiles = 100

// secretFiles are the files that the child must not be able to open.
func (j Job) secretFiles() []string {
	files := slices.Clone(j.Credentials)
	for _, dir := range resolved(j.Secrets) {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			if len(files) >= maxSecretFiles {
				return fs.SkipAll
			}
			return nil
		})
	}
	return files
}

// resolved are the folders that there are, each once: /var/run is often /run.
func resolved(dirs []string) (list []string) {
	for _, dir := range dirs {
		if real, err := filepath.EvalSymlinks(dir); err == nil && !slices.Contains(list, real) {
			list = append(list, real)
		}
	}
	return list
}

// volume is the whole volume of a Kubernetes Secret, which is exchanged below ..data
// when it rotates and may hold more than one secret; of any other file it is the file.
func volume(file string) string {
	if _, err := os.Lstat(filepath.Join(filepath.Dir(file), "..data")); err == nil {
		return filepath.Dir(file)
	}
	return file
}
