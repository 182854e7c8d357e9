package deploy

import (
	"os"
	"strings"
	"testing"
)

// The examples that docs/tiers.md quotes are files that tests run.
func TestDocsQuoteTheExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/tiers.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, language := range map[string]string{"subprocess/spawn.py": "python", "subprocess/spawn.go": "go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```"+language+"\n"+string(code)+"```\n") {
			t.Errorf("docs/tiers.md does not quote %s as it is", file)
		}
	}
	for _, overlay := range overlays {
		if !strings.Contains(string(page), "| `"+overlay+"` |") {
			t.Errorf("docs/tiers.md says nothing of %s", overlay)
		}
	}
}
