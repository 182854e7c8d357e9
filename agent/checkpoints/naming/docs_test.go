package naming

import (
	"os"
	"strings"
	"testing"
)

func TestDocumentsNameEverySuffix(t *testing.T) {
	page, err := os.ReadFile("../../../docs/trainers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range modelExtensions {
		if !strings.Contains(string(page), "`"+suffix+"`") {
			t.Errorf("docs/trainers.md does not name %s", suffix)
		}
	}
}
