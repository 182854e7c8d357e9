package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// shells are how each one is started without anybody's own settings, and how it
// learns of the completion.
var shells = map[string]struct {
	start []string
	learn string
}{
	"bash": {[]string{"bash", "--norc", "--noprofile", "-i"}, "source <(trainer-agent completion bash)"},
	"zsh":  {[]string{"zsh", "-f", "-i"}, "source <(trainer-agent completion zsh)"},
	"fish": {[]string{"fish", "--no-config", "-i"}, "trainer-agent completion fish | source"},
}

// TestCompletionInRealShells presses the tab key.
func TestCompletionInRealShells(t *testing.T) {
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need.Program(t, name, "apt-get install "+name)
			dir := t.TempDir()
			for _, file := range []string{"undelivered.jsonl", "folder/inside"} {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(shell.start[0], shell.start[1:]...)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + filepath.Dir(shared.agent) + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm", "LANG=C.UTF-8", "PS1=ready> "}
			p := sit(t, cmd, 120, 40)
			p.types(shell.learn + "; echo lear''nt\r")
			p.sees("learnt\n")
			p.types("\x0c")
			p.until("an empty line", func(screen string) bool { return !strings.Contains(screen, "learnt") })
			for _, c := range []struct{ typed, tabs, seen string }{
				{"trainer-agent conv", "\t", "trainer-agent convert"},
				{"trainer-agent convert --dry", "\t", "convert --dry-run"},
				{"trainer-agent convert --to y", "\t", "--to yolo"},
				{"trainer-agent convert --task=p", "\t", "--task=pose_estimation"},
				{"trainer-agent replay --from und", "\t", "--from undelivered.jsonl"},
				{"trainer-agent convert --out fol", "\t", "--out folder/"},
				{"trainer-agent completion z", "\t", "completion zsh"},
				{"trainer-agent run -- trainer-ag", "\t", "run -- trainer-agent"},
				{"trainer-agent ", "\t\t", "doctor"},
			} {
				p.types(c.typed + c.tabs)
				p.until(c.seen, func(screen string) bool {
					return strings.Contains(strings.ReplaceAll(screen, "\n", ""), c.seen)
				})
				p.types("\x15\x0c") // Ctrl-U drops the line, Ctrl-L clears the screen
				p.until("an empty line", func(screen string) bool { return !strings.Contains(screen, "trainer-agent") })
			}
		})
	}
}
