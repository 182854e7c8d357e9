package isolation

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// sockets are those of services that start programs for whoever may connect. Landlock
// closes no socket, and what they start is none of the child's.
func (s *Stage) sockets() []string {
	user := os.Geteuid()
	if s.RunAs != nil {
		user = int(s.RunAs.UID)
	}
	list := []string{"/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/podman/podman.sock"}
	for _, name := range []string{"bus", "systemd/private", "docker.sock", "podman/podman.sock"} {
		list = append(list, fmt.Sprintf("/run/user/%d/%s", user, name))
	}
	return list
}

// aboutSockets: at a desk there is always one, so it is a reason to refuse only.
func (s *Stage) aboutSockets(open []string) []string {
	list := s.sockets()
	reached := slices.DeleteFunc(slices.Clone(open), func(path string) bool { return !slices.Contains(list, path) })
	if !s.Required || len(reached) == 0 {
		return nil
	}
	return []string{"The training process can ask a service for another process, which is kept from nothing (" + strings.Join(reached, ", ") + "). Set AGENT_RUN_AS, or run the job in a container without it."}
}
