package config

import (
	"os"

	"golang.org/x/sys/unix"
)

// becoming are the capabilities of an agent that runs its child as another: to become
// it, to give it its folders, to read what it wrote, and to stop it.
const becoming = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_KILL

// mayRunAs reports whether this process can run a child as id.
func mayRunAs(id Identity) bool {
	if os.Geteuid() == int(id.UID) && os.Getegid() == int(id.GID) {
		return true
	}
	var data [2]unix.CapUserData
	if unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]) != nil {
		return os.Geteuid() == 0
	}
	return data[0].Effective&becoming == becoming
}
