package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ownCgroup is the agent's own folder in the tree of a cgroup v1 controller, or in
// the v2 tree when controller is "".
func ownCgroup(controller string) (string, error) {
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("finding the own cgroup: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("finding the own cgroup: %w", err)
	}
	folder, ok := cgroupFolder(string(membership), string(mounts), controller)
	if !ok {
		return "", fmt.Errorf("finding the own cgroup: no %s tree is mounted", treeName(controller))
	}
	return folder, nil
}

func treeName(controller string) string {
	if controller == "" {
		return "cgroup v2"
	}
	return "cgroup v1 " + controller
}

// cgroupFolder joins the path of /proc/PID/cgroup ("0::/a" in v2, "4:memory:/a" in
// v1) with the mount of that tree in /proc/PID/mountinfo, less what of the tree is
// above the mount: a container on v1 sees only its own part.
func cgroupFolder(membership, mounts, controller string) (string, bool) {
	path, ok := cgroupPath(membership, controller)
	if !ok {
		return "", false
	}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !holdsTree(strings.Fields(after), controller) {
			continue
		}
		root, point := fields[3], fields[4]
		if below, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(below) {
			return filepath.Join(point, below), true
		}
	}
	return "", false
}

func cgroupPath(membership, controller string) (string, bool) {
	for line := range strings.Lines(membership) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && slices.Contains(strings.Split(fields[1], ","), controller) {
			return fields[2], true
		}
	}
	return "", false
}

// holdsTree looks at "type source options" of a mount.
func holdsTree(mount []string, controller string) bool {
	if len(mount) < 3 {
		return false
	}
	if controller == "" {
		return mount[0] == "cgroup2"
	}
	return mount[0] == "cgroup" && slices.Contains(strings.Split(mount[2], ","), controller)
}
