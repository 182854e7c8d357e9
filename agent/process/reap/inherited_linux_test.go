package reap

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInheritedDescriptorsEndWithTheAgent(t *testing.T) {
	for name, withhold := range map[string]func() error{"close_range": Withhold, "one by one": withholdEach} {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		inherited, err := unix.Dup(int(null.Fd())) // which comes without the flag
		if err != nil {
			t.Fatal(err)
		}
		if err := withhold(); err != nil {
			t.Fatal(err)
		}
		for fd, want := range map[int]int{inherited: unix.FD_CLOEXEC, 1: 0, 2: 0} {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags != want {
				t.Errorf("%s: descriptor %d has flags %d, want %d (%v)", name, fd, flags, want, err)
			}
		}
		_, _ = unix.Close(inherited), null.Close()
	}
}
