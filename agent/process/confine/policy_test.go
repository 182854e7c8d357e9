package confine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tree makes files and folders, whose names end with /.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(root, name)
		if name[len(name)-1] == '/' {
			err = os.MkdirAll(path, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// rights is what the plan allows of a path: the nearest rules above it together.
func (p Plan) rights(path string) string {
	read, write := false, false
	for _, r := range p.rules {
		if within(path, r.path) {
			read, write = true, write || r.write
		}
	}
	return map[[2]bool]string{{true, true}: "all", {true, false}: "read", {false, false}: "none"}[[2]bool{read, write}]
}

func TestWhatIsPrivateIsCutOutAndTheRestStays(t *testing.T) {
	root := tree(t, "ws/.agent/lock", "ws/runs/a.pt", "ws/prepared/images/a.jpg", "ws/prepared/labels/a.txt", "run/secrets/token", "run/other", "cache/mine/x", "cache/theirs/x", "cache/mine.lock", "source/x", "home/b")
	at := func(name string) string { return filepath.Join(root, name) }
	if err := os.Symlink("runs", at("ws/link")); err != nil {
		t.Fatal(err)
	}
	plan, err := Policy{
		Private:  []string{at("ws/.agent"), at("run/secrets"), at("gone"), "", at("cache")},
		ReadOnly: []string{at("source"), at("cache/mine"), at("ws/prepared")},
		Writable: []string{at("ws/prepared/labels")},
		Whole:    []string{at("home"), "/"},
	}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ws/.agent/lock": "none", "ws/.agent": "none", "ws": "none", "ws/new": "none", "ws/link": "none", "ws/runs/a.pt": "all", "ws/runs/new": "all",
		"ws/prepared/images/a.jpg": "read", "ws/prepared/labels/new": "all", "run/secrets/token": "none", "run/other": "all", "source/x": "read", "cache/mine/x": "read", "cache/theirs/x": "none", "cache/mine.lock": "none", "home/new": "all",
		"gone": "none",
	} {
		if got := plan.rights(at(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if plan.rights("/usr/bin/env") != "all" || plan.rights("/") != "none" {
		t.Error("what is far from anything private is touched, or the root is not")
	}
	if len(plan.Open) != 0 {
		t.Errorf("open: %v", plan.Open)
	}
}

func TestNothingIsMadeInThePlaceOfWhatIsReadOnlyAndMissing(t *testing.T) {
	root := tree(t, "opt/other/x", "real/x")
	at := func(name string) string { return filepath.Join(root, name) }
	if err := os.Symlink("real", at("link")); err != nil {
		t.Fatal(err)
	}
	plan, err := Policy{ReadOnly: []string{at("opt/tool/bin"), at("link/bin")}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"opt/tool": "none", "opt/other/x": "all", "real/bin": "none", "real/x": "all"} {
		if got := plan.rights(at(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestAFolderInWhichTheChildMakesFilesStaysWholeAndThatIsSaid(t *testing.T) {
	root := tree(t, "home/ws/.agent/lock", "home/x")
	state := filepath.Join(root, "home/ws/.agent")
	plan, err := Policy{Private: []string{state}, Whole: []string{filepath.Join(root, "home")}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.rights(filepath.Join(root, "home/new")); got != "all" {
		t.Errorf("home: %s", got)
	}
	if want := []Conflict{{state, filepath.Join(root, "home")}}; !slices.Equal(plan.Open, want) {
		t.Errorf("open: %v, want %v", plan.Open, want)
	}
}

func TestALinkProtectsWhatItLeadsTo(t *testing.T) {
	root := tree(t, "volume/..1/token", "volume/..1/other")
	link := filepath.Join(root, "volume/token")
	if err := os.Symlink("..1/token", link); err != nil {
		t.Fatal(err)
	}
	plan, err := Policy{Private: []string{link}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.rights(filepath.Join(root, "volume/..1/token")); got != "none" {
		t.Errorf("the file: %s", got)
	}
	if got := plan.rights(filepath.Join(root, "volume/..1/other")); got != "all" {
		t.Errorf("the file beside: %s", got)
	}
}
