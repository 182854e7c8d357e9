package images

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// seccompProfile is the default profile of podman and CRI-O, on which the
// RuntimeDefault of Kubernetes' runtimes is modelled.
const seccompProfile = "/usr/share/containers/seccomp.json"

// confined is a container as the restricted profile of the pod security
// standards makes it: uid 1000, no capability, a read-only root. The network is
// the machine's, where the store and the backend listen. Its control groups lie
// below the test's own.
func confined(t *testing.T, root, id string) *specs.Spec {
	t.Helper()
	return &specs.Spec{
		Version: specs.Version, Hostname: "trainer", Root: &specs.Root{Path: root, Readonly: true},
		Process: &specs.Process{
			User: specs.User{UID: 1000, GID: 1000}, NoNewPrivileges: true, Capabilities: &specs.LinuxCapabilities{},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			CgroupsPath: id,
			Resources:   &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			Namespaces:  []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			Seccomp:     seccomp(t),
			MaskedPaths: []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"},
			ReadonlyPaths: []string{
				"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
			},
		},
	}
}

// condition says for which machines and capabilities a rule of the profile is.
type condition struct {
	Arches    []string
	Caps      []string
	MinKernel string
}

// seccomp resolves the profile for a process without any capability.
func seccomp(t *testing.T) *specs.LinuxSeccomp {
	t.Helper()
	b, err := os.ReadFile(seccompProfile)
	if err != nil {
		t.Fatal(err) // it comes with buildah
	}
	var profile struct {
		DefaultAction   specs.LinuxSeccompAction
		DefaultErrnoRet *uint
		Syscalls        []struct {
			specs.LinuxSyscall
			Includes, Excludes condition
		}
	}
	if err := json.Unmarshal(b, &profile); err != nil {
		t.Fatalf("%s: %v", seccompProfile, err)
	}
	out := &specs.LinuxSeccomp{DefaultAction: profile.DefaultAction, DefaultErrnoRet: profile.DefaultErrnoRet}
	for _, rule := range profile.Syscalls {
		in, not := rule.Includes, rule.Excludes
		if len(in.Caps) > 0 || slices.Contains(not.Arches, runtime.GOARCH) || (len(in.Arches) > 0 && !slices.Contains(in.Arches, runtime.GOARCH)) {
			continue
		}
		out.Syscalls = append(out.Syscalls, rule.LinuxSyscall)
	}
	if len(out.Syscalls) < 5 {
		t.Fatalf("%s: only %d rules", seccompProfile, len(out.Syscalls))
	}
	return out
}
