package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Policy says what a child may do with files. Paths that are empty are no matter, nor are
// those that are not there, unless they are ReadOnly: the child may not make these.
type Policy struct {
	Private  []string // closed: credentials, the agent's own state
	ReadOnly []string // may be read, also below what is private: inputs, what other jobs share
	Writable []string // open again, below what is read-only
	Whole    []string // folders in which the child makes files: never taken apart
	Peers    bool     // other agents of this machine have children of the same job: theirs exchange memory by abstract sockets
}

// Plan is a Policy as the rules of one moment's file system.
type Plan struct {
	rules []rule
	peers bool
	// Open are the private and read-only paths that are not protected, because they
	// lie in a folder that must stay whole.
	Open []Conflict
}

// Conflict is a path that lies in a folder of the child's.
type Conflict struct{ Path, Whole string }

func (c Conflict) String() string { return c.Path + " lies in " + c.Whole }

type rule struct {
	path  string
	write bool
}

// maxRules bounds the entries of the folders that are taken apart.
const maxRules = 20_000

var errCrowded = fmt.Errorf("the folders above what is private have more than %d entries", maxRules)

// Plan looks at the file system.
func (p Policy) Plan() (Plan, error) {
	c := cutter{closed: map[string]bool{}, plan: Plan{peers: p.Peers}}
	whole := slices.DeleteFunc(resolve(p.Whole), func(dir string) bool { return dir == "/" }) // nobody counts on it
	for _, list := range []struct {
		paths  []string
		closed bool
	}{{resolve(p.Private), true}, {places(p.ReadOnly), false}} {
		for _, path := range list.paths {
			if i := slices.IndexFunc(whole, func(dir string) bool { return within(path, dir) }); i >= 0 {
				c.plan.Open = append(c.plan.Open, Conflict{path, whole[i]})
			} else {
				c.closed[path] = c.closed[path] || list.closed
			}
		}
	}
	if err := c.cut("/", true); err != nil {
		return Plan{}, err
	}
	for _, path := range append(resolve(p.Writable), whole...) {
		c.plan.rules = append(c.plan.rules, rule{path, true})
	}
	c.reopen()
	return c.plan, nil
}

// resolve follows the links of each path, because rules hold for files, not for names.
func resolve(paths []string) (list []string) {
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if path == "" || err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil && !slices.Contains(list, real) {
			list = append(list, real)
		}
	}
	return list
}

// places is resolve for paths that may be missing: each is where it would be made.
func places(paths []string) (list []string) {
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if path == "" || err != nil {
			continue
		}
		if place := placeOf(abs); !slices.Contains(list, place) {
			list = append(list, place)
		}
	}
	return list
}

// placeOf follows the links of the part of a path that is there.
func placeOf(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil || path == "/" {
		return real
	}
	return filepath.Join(placeOf(filepath.Dir(path)), filepath.Base(path))
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

type cutter struct {
	closed map[string]bool // what is cut out: true when private, false when read-only
	plan   Plan
}

// cut gives a tree away without what is cut out of it.
func (c *cutter) cut(path string, write bool) error {
	if private, found := c.closed[path]; found {
		if private {
			return nil
		}
		write = false
	}
	if !c.holds(path, write) {
		c.plan.rules = append(c.plan.rules, rule{path, write})
		if len(c.plan.rules) > maxRules {
			return errCrowded
		}
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, os.ErrPermission) { // the child, who is no more, cannot list it either
		return fmt.Errorf("listing %s to keep the training out of a part of it: %w", path, err)
	}
	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 {
			continue // judged where it leads
		}
		if err := c.cut(filepath.Join(path, e.Name()), write); err != nil {
			return err
		}
	}
	return nil
}

// reopen lets what is read-only be read in a folder that is private otherwise.
func (c *cutter) reopen() {
	for path, private := range c.closed {
		if private {
			continue
		}
		for dir, closed := range c.closed {
			if closed && dir != path && within(path, dir) {
				c.plan.rules = append(c.plan.rules, rule{path, false})
				break
			}
		}
	}
}

// holds reports whether something is cut out below path: of what is read-only itself, only
// what is private is.
func (c *cutter) holds(path string, write bool) bool {
	for closed, private := range c.closed {
		if closed != path && (write || private) && within(closed, path) {
			return true
		}
	}
	return false
}
