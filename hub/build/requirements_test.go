package build_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub/build"
)

func TestOnlyNamesWithVersionsReachPip(t *testing.T) {
	hash := "--hash=sha256:" + strings.Repeat("0a", 32)
	for text, want := range map[string][]string{
		"numpy==2.4.6\n# a comment\n\npillow>=12,<14 # why\n":      {"numpy==2.4.6", "pillow>=12,<14"},
		"torch[opt-einsum, x] ~= 2.1 ; python_version > '3.9'":     {"torch[opt-einsum, x] ~= 2.1 ; python_version > '3.9'"},
		"numpy==2.4.6 \\\n    " + hash + " \\\n    " + hash + "\n": {"numpy==2.4.6      " + hash + "      " + hash},
		"torch==2.12.1+cpu":     {"torch==2.12.1+cpu"},
		"\ufeffnumpy\r\npillow": {"numpy", "pillow"},
		"":                      nil,
	} {
		lines, found := build.Requirements(text)
		if len(found) > 0 || !slices.EqualFunc(lines, want, func(a, b string) bool {
			return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
		}) {
			t.Errorf("%q: %q, %v", text, lines, found)
		}
	}
	for _, line := range []string{
		"--index-url http://169.254.169.254/", "-r /etc/passwd", "-e .", ".", "./wheel.whl", "/etc/passwd", "git+https://host/x", "x @ http://host/x.whl", "http://host/x.whl",
		"x --config-settings=a=b", "x==1 --global-option=x", "x; python_version > '3' --index-url=y", "x==${SECRET}", "x==1 --hash=md5:00", "x\\\n--extra-index-url http://y", "a b", "x==1\u2028-r y", "-", "é",
	} {
		if lines, found := build.Requirements("numpy==1\n" + line); len(found) == 0 || found[0].Line != 2 || !slices.Equal(lines, []string{"numpy==1"}) && !strings.Contains(line, "\u2028") {
			t.Errorf("%q: %q, %v", line, lines, found)
		}
	}
	if _, found := build.Requirements(strings.Repeat("numpy\n", 2000)); len(found) != 1 {
		t.Errorf("too many: %v", found)
	}
	if _, found := build.Requirements(strings.Repeat("\\\n", 300_000)); len(found) != 1 || !strings.Contains(found[0].Text, "more than 16384 bytes") {
		t.Errorf("a line without an end: %v", found)
	}
	if _, found := build.Requirements(strings.Repeat("x", 2<<20)); len(found) != 1 {
		t.Errorf("too long: %v", found)
	}
}

// Whatever a package's author writes: no line that is let through is an option, an
// address, a path or more than one line.
func FuzzRequirements(f *testing.F) {
	for _, seed := range []string{"numpy==1", "x @ http://y", "x==1 \\\n --hash=sha256:00", "-r x", "x;python_version>'3'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := build.Requirements(text)
		for _, line := range lines {
			words := strings.Fields(line)
			for i, word := range words {
				if strings.HasPrefix(word, "-") && (i == 0 || !strings.HasPrefix(word, "--hash=sha256:")) {
					t.Errorf("%q has an option", line)
				}
			}
			if strings.ContainsAny(line, "@/\\$\r\n\v\f\u0085\u2028\u2029") {
				t.Errorf("%q", line)
			}
		}
	})
}
