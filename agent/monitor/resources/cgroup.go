package resources

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// groups locates this process's cgroups in both worlds. A nil chain means that
// the controller is not there.
//
// Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html.
type groups struct {
	unified []string            // folders of v2, own group first, up to the mount
	v1      map[string][]string // by controller, likewise
}

// findGroups reads /proc/self/cgroup and /proc/self/mountinfo below root. The
// path that the kernel tells is seen from the host unless there is a cgroup
// namespace, so it is taken relative to what is mounted; a path outside the
// mount means that the mount itself is our group.
func findGroups(root string) groups {
	g := groups{v1: map[string][]string{}}
	mounts := cgroupMounts(root)
	for line := range fileLines(filepath.Join(root, "proc/self/cgroup")) {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "" {
			if m, ok := mounts[""]; ok {
				g.unified = m.chain(root, parts[2])
			}
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			if m, ok := mounts[controller]; ok {
				g.v1[controller] = m.chain(root, parts[2])
			}
		}
	}
	return g
}

type cgroupMount struct {
	point string // where it is mounted
	root  string // which group of the hierarchy is mounted there
}

// chain lists the folders from the group up to the mount.
func (m cgroupMount) chain(root, group string) []string {
	rel, ok := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
	if !ok || strings.HasPrefix(group, "/../") {
		rel = "/"
	}
	top := filepath.Join(root, m.point)
	dir := filepath.Join(top, rel)
	if _, err := os.Stat(dir); err != nil {
		dir = top
	}
	chain := []string{dir}
	for dir != top && len(chain) < 32 {
		dir = filepath.Dir(dir)
		chain = append(chain, dir)
	}
	return chain
}

// cgroupMounts maps a v1 controller, or "" for v2, to its mount. When something
// is mounted twice the first one counts.
func cgroupMounts(root string) map[string]cgroupMount {
	mounts := map[string]cgroupMount{}
	for line := range fileLines(filepath.Join(root, "proc/self/mountinfo")) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		m := cgroupMount{point: unescapeMount(l[4]), root: unescapeMount(l[3])}
		names := []string{""}
		switch r[0] {
		case "cgroup2":
		case "cgroup":
			names = strings.Split(r[2], ",")
		default:
			continue
		}
		for _, name := range names {
			if _, taken := mounts[name]; !taken {
				mounts[name] = m
			}
		}
	}
	return mounts
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// fileLines yields the lines of a small file; none when it cannot be read.
func fileLines(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if !yield(sc.Text()) {
				return
			}
		}
	}
}

// readInt reads a file of one number. "max" and what is absent are not known.
func readInt(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return v, err == nil
}

// readKey reads one "key value" line of a file such as memory.stat.
func readKey(path, key string) (int64, bool) {
	for line := range fileLines(path) {
		if name, value, ok := strings.Cut(line, " "); ok && name == key {
			v, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return v, err == nil
		}
	}
	return 0, false
}
