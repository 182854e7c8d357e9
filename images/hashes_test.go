package images

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unhashed is the one install without hashes: decision 0227 says of which wheel, and until when.
const unhashed = `--index-url "${TORCH_CPU_INDEX}" -r /tmp/torchvision.txt`

// What an image installs is what was locked, whatever the index answers. No other
// index stays in the image either: pip would ask it for every package.
func TestPackagesAreInstalledByTheirHashes(t *testing.T) {
	files, err := filepath.Glob("../trainers/*/Dockerfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("the trainers' own Dockerfiles: %v %v", files, err)
	}
	for _, file := range append(files, "Dockerfile") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		installs := installsOf(string(text))
		if len(installs) == 0 {
			t.Errorf("%s: no pip install was found", file)
		}
		for _, line := range installs {
			if !strings.Contains(line, "--require-hashes") && !strings.HasSuffix(line, unhashed) || !strings.Contains(line, "--no-deps") || strings.Contains(line, "extra-index") {
				t.Errorf("%s: %s", file, line)
			}
		}
		if found := regexp.MustCompile(`PIP_(EXTRA_)?INDEX_URL|pip config`).FindString(string(text)); found != "" {
			t.Errorf("%s: %s stays in the image", file, found)
		}
	}
}

// installsOf are the commands that install Python packages, each on one line.
func installsOf(dockerfile string) (found []string) {
	whole := strings.ReplaceAll(regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(dockerfile, ""), "\\\n", " ")
	for _, command := range regexp.MustCompile(`&&|;|\n|\|\|?`).Split(whole, -1) {
		words := strings.Fields(command)
		if slices.Contains(words, "install") && regexp.MustCompile(`\b(pip3?|uv)\b`).MatchString(command) {
			found = append(found, strings.Join(words, " "))
		}
	}
	return found
}
