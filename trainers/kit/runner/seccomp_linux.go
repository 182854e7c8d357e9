package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// seccomp is a file with the system calls that a container may make.
func seccomp(dir string) string { return filepath.Join(dir, "seccomp.json") }

// newNamespaces are the calls that make or enter namespaces. In a user namespace of its own
// a program has every capability, and with them much of the kernel that others do not reach.
// docker's profile forbids it; podman's allows it, for containers in containers.
var newNamespaces = []string{"clone", "clone3", "unshare", "setns"}

const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// profile is podman's own without new namespaces. clone, which starts threads and processes
// too, is allowed without their flags; clone3, whose flags cannot be looked at, is answered as
// by a kernel that has none, and libraries then take clone.
func (e engine) profile(ctx context.Context) ([]byte, error) {
	path, err := e.ask(ctx, replying, "info", "--format", "{{.Host.Security.SECCOMPProfilePath}}")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("reading podman's list of system calls (Debian: golang-github-containers-common): %w", err)
	}
	return withoutNamespaces(text)
}

func withoutNamespaces(text []byte) ([]byte, error) {
	var profile map[string]any
	if err := json.Unmarshal(text, &profile); err != nil {
		return nil, fmt.Errorf("reading podman's list of system calls: %w", err)
	}
	rules, _ := profile["syscalls"].([]any)
	if action, _ := profile["defaultAction"].(string); action != "SCMP_ACT_ERRNO" || len(rules) == 0 {
		return nil, fmt.Errorf("podman's list of system calls is no list of those that are allowed (its defaultAction is %q)", action)
	}
	for _, rule := range rules {
		fields, _ := rule.(map[string]any)
		names, _ := fields["names"].([]any)
		fields["names"] = slices.DeleteFunc(names, func(name any) bool {
			text, _ := name.(string)
			return slices.Contains(newNamespaces, text)
		})
	}
	rules = slices.DeleteFunc(rules, func(rule any) bool {
		fields, _ := rule.(map[string]any)
		names, _ := fields["names"].([]any)
		return len(names) == 0
	})
	profile["syscalls"] = append(rules,
		map[string]any{"names": []string{"clone"}, "action": "SCMP_ACT_ALLOW", "args": []any{map[string]any{"index": 0, "value": namespaceFlags, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}}},
		map[string]any{"names": newNamespaces[1:], "action": "SCMP_ACT_ERRNO", "errnoRet": int(unix.ENOSYS)})
	return json.Marshal(profile)
}
