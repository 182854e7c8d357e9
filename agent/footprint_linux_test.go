package agent

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestGiveBackDropsThePagesOfTheProgramAndItGoesOn(t *testing.T) {
	before := programRSS(t)
	giveBack()
	after := programRSS(t)
	if after >= before {
		t.Errorf("%d KiB of the program are in memory, before %d", after, before)
	}
	if got := time.Unix(0, 0).UTC().Format(time.RFC1123); got != "Thu, 01 Jan 1970 00:00:00 UTC" { // code and tables come back
		t.Errorf("got %s", got)
	}
}

// programRSS is how much of the program's read-only mappings is resident, in KiB.
func programRSS(t *testing.T) (kib int64) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	ours := false
	for line := range strings.Lines(string(maps)) {
		switch name, value, _ := strings.Cut(line, ":"); {
		case strings.Contains(name, "-"):
			_, _, ours = readOnly(strings.TrimSpace(line), program)
		case ours && name == "Rss":
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib
}

func TestReadOnlyPartsOfTheProgram(t *testing.T) {
	const program = "/usr/local/bin/trainer agent"
	for line, want := range map[string]bool{
		"00400000-00f84000 r-xp 00000000 fe:00 10338874                           " + program:       true,
		"00f84000-01a40000 r--p 00b84000 fe:00 10338874                           " + program:       true,
		"01a40000-01b53000 rw-p 01640000 fe:00 10338874                           " + program:       false,
		"00400000-00f84000 rwxp 00000000 fe:00 10338874                           " + program:       false,
		"00400000-00f84000 r--s 00000000 fe:00 10338874                           " + program:       false,
		"00400000-00f84000 r-xp 00000000 fe:00 10338874                           /usr/lib/libc.so": false,
		"7ffd0c1f2000-7ffd0c1f4000 r-xp 00000000 00:00 0                          [vdso]":           false,
		"01b53000-03b98000 rw-p 00000000 00:00 0 ":                                                  false,
		"00f84000-00400000 r-xp 0 0 0 " + program:                                                   false,
		"zzz r-xp 0 0 0 " + program: false,
		"":                          false,
	} {
		if _, _, ok := readOnly(line, program); ok != want {
			t.Errorf("%q: %v", line, ok)
		}
	}
	if from, to, _ := readOnly("00400000-00f84000 r-xp 0 fe:00 1 /a", "/a"); from != 0x400000 || to != 0xf84000 {
		t.Errorf("from %x to %x", from, to)
	}
}

func TestPagesThatALoaderHasWrittenToAreKept(t *testing.T) {
	const smaps = `55a2465c5000-55a2466ae000 r-xp 00000000 fe:00 11158925                   /bin/agent
Rss:                 932 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me sd
55a2467da000-55a24681b000 r--p 00215000 fe:00 11158925                   /bin/agent
Rss:                 236 kB
Anonymous:           236 kB
Swap:                  0 kB
VmFlags: rd mr mw me ac sd
55a24681b000-55a24681c000 r--p 00256000 fe:00 11158925                   /bin/agent
Rss:                   0 kB
Anonymous:             0 kB
Swap:                  4 kB
VmFlags: rd mr mw me ac sd
55a24681c000-55a24681d000 r--p 00257000 fe:00 11158925                   /bin/agent
Rss:                   4 kB
VmFlags: rd mr mw me ac sd
`
	got := unchanged(strings.NewReader(smaps), "/bin/agent")
	if want := []mapping{{0x55a2465c5000, 0x55a2466ae000}}; !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
