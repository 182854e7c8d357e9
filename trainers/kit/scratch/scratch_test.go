package scratch

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is unpacked and then run lies where no training of the same user can write.
func TestFoldersLieInAFolderOfTheUsersAlone(t *testing.T) {
	f, err := Make("test")
	if err != nil {
		t.Fatal(err)
	}
	if f.Shared != nil || filepath.Dir(f.Dir) != Root() {
		t.Errorf("%s: %v", f.Dir, f.Shared)
	}
	if info, err := os.Stat(Root()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	temp, err := f.Temp()
	if err != nil || filepath.Dir(temp) != f.Dir {
		t.Errorf("%s: %v", temp, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.Dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

// Anybody can have made the folder in /var/tmp first.
func TestAFolderThatIsNotTheUsersAloneIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	open, link, file := filepath.Join(dir, "open"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	for _, err := range []error{os.Mkdir(open, 0o700), os.Chmod(open, 0o750), os.Symlink(dir, link), os.WriteFile(file, nil, 0o700)} { //nolint:gosec // as it is wrong
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{open, link, file, filepath.Join(dir, "none", "x")} {
		if err := own(path); err == nil {
			t.Error(path)
		}
	}
	for range 2 {
		if err := own(filepath.Join(dir, "mine")); err != nil {
			t.Error(err)
		}
	}
}

const holder = "HOLDS_A_FOLDER_IN"

func TestMain(m *testing.M) {
	if parent := os.Getenv(holder); parent != "" {
		f, err := In(parent, "x-")
		if err != nil {
			panic(err)
		}
		println(f.Dir) //nolint:forbidigo // to standard error, for the test
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

func TestWhatAKilledProcessLeftIsRemovedAndALivingOnesIsNot(t *testing.T) {
	parent := t.TempDir()
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holder+"="+parent)
	said, err := other.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	theirs, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	theirs = strings.TrimSpace(theirs)
	stands := func() bool {
		mine, err := In(parent, "x-")
		if err != nil {
			t.Fatal(err)
		}
		if err := mine.Close(); err != nil {
			t.Error(err)
		}
		_, err = os.Stat(theirs)
		return err == nil
	}
	if !stands() {
		t.Error("a living process lost its folder")
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	if stands() {
		t.Error("the folder of a killed process is still there")
	}
}
