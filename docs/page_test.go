package docs_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// block is a fenced block of a page: its language and its text.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks are those of a page, in order; below a heading, if one is given.
func blocks(t *testing.T, page, heading string) (found []block) {
	t.Helper()
	body, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	if heading != "" {
		_, below, ok := strings.Cut(text, "\n"+heading+"\n")
		if !ok {
			t.Fatalf("%s has no %q", page, heading)
		}
		text, _, _ = strings.Cut(below, "\n## ")
	}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		found = append(found, block{m[1], m[2]})
	}
	if len(found) == 0 {
		t.Fatalf("%s has no block", page)
	}
	return found
}

// shell runs the sh blocks of a page one after the other in one bash, in dir, and
// checks that each prints the lines of the text block that follows it.
func shell(t *testing.T, dir string, env []string, page []block, replace ...string) {
	t.Helper()
	const mark = "--- block is over ---"
	script := "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" // what a page starts ends with it
	var wanted []string
	for i, b := range page {
		if b.language != "sh" {
			continue
		}
		script += b.text + "echo; echo '" + mark + "'\n"
		want := ""
		if i+1 < len(page) && page[i+1].language == "text" {
			want = page[i+1].text
		}
		wanted = append(wanted, want)
	}
	swap := strings.NewReplacer(replace...)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", swap.Replace(script))
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	printed := strings.Split(out.String(), mark)
	if err != nil || len(printed) != len(wanted)+1 {
		t.Fatalf("block %d failed: %v\n%s", len(printed), err, out.String())
	}
	for i, want := range wanted {
		for line := range strings.Lines(swap.Replace(want)) {
			if line = strings.TrimSpace(line); line != "" && !hasLine(printed[i], line) {
				t.Errorf("block %d does not print %q but\n%s", i+1, line, printed[i])
			}
		}
	}
}

// hasLine reports whether a line of the text matches; * stands for anything.
func hasLine(text, pattern string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile(`(?m)^\s*` + quoted + `\s*$`).MatchString(text)
}

// environment is a stranger's: the programs, and nothing of a job.
func environment(t *testing.T, more ...string) []string {
	t.Helper()
	path := strings.Join([]string{programs, os.Getenv("PATH")}, string(filepath.ListSeparator))
	return append([]string{"PATH=" + path, "HOME=" + t.TempDir(), "LANG=C.UTF-8", "PIP_CACHE_DIR=" + os.Getenv("PIP_CACHE_DIR")}, more...)
}

var (
	inline  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// slugs are the anchors of a page's headings, as code hosts make them.
func slugs(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		found[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// Every link of every page of the repository leads to a file that is there, and to a
// heading that is there.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "*/README.md", "*/*/README.md", ".github/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 20 {
		t.Fatalf("only %d pages", len(pages))
	}
	for _, page := range pages {
		body, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(string(body), ""), -1) {
			if !strings.Contains(m[1], "://") {
				follow(t, page, m[1])
			}
		}
	}
}

func follow(t *testing.T, page, link string) {
	t.Helper()
	path, anchor, _ := strings.Cut(link, "#")
	target := page
	if path != "" {
		target = filepath.Join(filepath.Dir(page), path)
	}
	body, err := os.ReadFile(target)
	if info, missing := os.Stat(target); missing == nil && info.IsDir() {
		err = nil
	}
	if err != nil || anchor != "" && !slugs(string(body))[anchor] {
		t.Errorf("%s: %s leads nowhere", page, link)
	}
}
