package host

import (
	"os"
	"path/filepath"
	"strings"
)

// Groups locates the cgroups of this process in both versions. The zero value
// knows none.
//
// Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html.
type Groups struct {
	root    string // "/", or a test's folder
	unified chain
	v1      map[string]chain // by controller
}

// chain is the folders of a group and its ancestors up to the mount, the own first.
type chain struct {
	dirs  []string
	exact bool // the first one is the group that the kernel names, not the nearest that is to be seen
}

func (c chain) present() bool { return len(c.dirs) > 0 }

// FindGroups reads proc/self/cgroup and proc/self/mountinfo below root, "/" for
// the machine's own. The path that the kernel gives is seen from the host unless
// there is a cgroup namespace, so it is taken relative to what is mounted; a path
// outside of the mount means that the mount itself is the nearest group to be seen.
func FindGroups(root string) Groups {
	g := Groups{root: root, v1: map[string]chain{}}
	mounts := cgroupMounts(root)
	for line := range lines(filepath.Join(root, "proc/self/cgroup")) {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "" {
			if m, ok := mounts[""]; ok && parts[2] != "" {
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

// Own is this process's own folder in the v2 tree, false where that is not mounted
// or is not to be seen from here.
func (g Groups) Own() (dir string, ok bool) {
	if !g.unified.present() || !g.unified.exact {
		return "", false
	}
	return g.unified.dirs[0], true
}

type cgroupMount struct {
	point string // where it is mounted
	root  string // which group of the hierarchy is mounted there
}

func (m cgroupMount) chain(root, group string) chain {
	below, exact := "", false
	if rest, inside := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/")); inside && (rest == "" || rest[0] == '/') && !strings.HasPrefix(group, "/../") {
		below, exact = rest, true
	}
	top := filepath.Join(root, m.point)
	dir := filepath.Join(top, filepath.Join("/", below))
	if _, err := os.Stat(dir); err != nil {
		dir, exact = top, false
	}
	c := chain{[]string{dir}, exact}
	for dir != top && len(c.dirs) < 32 {
		dir = filepath.Dir(dir)
		c.dirs = append(c.dirs, dir)
	}
	return c
}

// cgroupMounts maps a v1 controller, or "" for v2, to its mount. When something
// is mounted twice the first one counts.
func cgroupMounts(root string) map[string]cgroupMount {
	mounts := map[string]cgroupMount{}
	for line := range lines(filepath.Join(root, "proc/self/mountinfo")) {
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
