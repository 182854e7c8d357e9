package confine

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// minABI is the oldest Landlock that is used: the first one forbids every rename and
// link from one folder into another, which training does all the time.
const minABI = 2

// WholeABI is the first that keeps a child from emptying a file (Linux 6.2).
const WholeABI = 3

// signalsABI is the first that keeps signals, and connections to abstract sockets, within
// a domain (Linux 6.12).
const signalsABI = 6

// onFiles are the rights of one file, the others those of a folder. Listing, running
// and ioctl are not handled: they give no content away, and devices need the last.
const (
	onFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	handled = onFiles | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
)

// ABI is the kernel's version of Landlock, 0 where it has none or it is too old.
func ABI() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || int(v) < minABI {
		return 0
	}
	return int(v)
}

// Signals reports whether the kernel keeps a confined child's signals from the agent.
func Signals() bool { return ABI() >= signalsABI }

func rightsOf(abi int) uint64 {
	if abi < 3 {
		return handled &^ unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	return handled
}

// openRuleset makes the plan a ruleset of the kernel's.
func (p Plan) openRuleset(abi int) (int, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rightsOf(abi)}
	if abi >= signalsABI {
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL
		if !p.peers {
			attr.Scoped |= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		}
	}
	// An older kernel takes a longer structure when what it does not know is zero.
	r, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return -1, fmt.Errorf("making a Landlock ruleset: %w", errno)
	}
	for _, rule := range p.rules {
		if err := rule.add(int(r), rightsOf(abi)); err != nil {
			return -1, errors.Join(err, unix.Close(int(r)))
		}
	}
	return int(r), nil
}

// add lets the tree be used. One that has gone meanwhile needs no rule.
func (r rule) add(ruleset int, rights uint64) error {
	fd, err := unix.Open(r.path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil //nolint:nilerr // gone, or out of reach for the agent and so for its child
	}
	defer unix.Close(fd) //nolint:errcheck // a path only
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("looking at %s: %w", r.path, err)
	}
	if !r.write {
		rights = unix.LANDLOCK_ACCESS_FS_READ_FILE
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= onFiles
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allowing %s: %w", r.path, errno)
	}
	return nil
}

// restrict puts the calling thread, and what it starts, under the plan.
func (p Plan) restrict(abi int) error {
	ruleset, err := p.openRuleset(abi)
	if err != nil {
		return err
	}
	defer unix.Close(ruleset) //nolint:errcheck // it is in force
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); errno != 0 {
		return fmt.Errorf("entering a Landlock ruleset: %w", errno)
	}
	return nil
}
