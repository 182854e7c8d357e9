package kit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// The documents that the page on trainers shows are ones that validate takes: messages
// about a package's documents lead there.
func TestDocumentsOnThePageAreValid(t *testing.T) {
	page, err := os.ReadFile("../../docs/trainers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## The package's documents\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := jsonBlock.FindAllStringSubmatch(section, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d documents", len(blocks))
	}
	var capabilities contract.Capabilities
	decode(t, blocks[0][1], &capabilities)
	if found := (&Validator{Dir: t.TempDir()}).checkCapabilities(capabilities); len(found) > 0 {
		t.Errorf("capabilities.json: %+v", found)
	}
	var schema contract.ConfigSchema
	decode(t, blocks[1][1], &schema)
	if found := checkSchema(schema); len(found) > 0 {
		t.Errorf("config_schema.py: %+v", found)
	}
}

// A package that requires what is not here is told so at its line, and what it is proven with.
func TestRequirementsOfAPackage(t *testing.T) {
	dir, venv := t.TempDir(), t.TempDir()
	python := filepath.Join(venv, "bin", "python")
	for path, text := range map[string]string{
		filepath.Join(venv, "pyvenv.cfg"): "version_info = 3.11.2.final.0\n", python: "#!/bin/sh\n",
		filepath.Join(dir, "capabilities.json"): "{\n\"requires\": {\n\"python\": \">=3.12\"}}",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	v := Validator{Dir: dir, Tools: Tools{Python: python}}
	for requires, want := range map[contract.Requires]string{
		{Python: ">=3.11", Device: "cuda"}: "",
		{Python: ">=3.12"}:                 "capabilities.json:3: the trainer requires python >=3.12 (capabilities.json), and 3.11.2 is here",
		{Python: ">=3.12,<3"}:              "no version is",
		{Agent: ">=0.1"}:                   "warning: capabilities.json: the trainer requires agent >=0.1 (capabilities.json), and an unknown one is here", // a test has no version
	} {
		found := v.checkRequires(requires)
		if len(found) != min(1, len(want)) || want != "" && !strings.Contains(Issue(found[0]), want) {
			t.Errorf("%+v: %v", requires, found)
		}
	}
}

// So are the predictions on the page on inference, which messages name too.
func TestPredictionsOnThePageAreValid(t *testing.T) {
	page, err := os.ReadFile("../../docs/inference.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := jsonBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d examples", len(blocks))
	}
	var of map[contract.TaskType]json.RawMessage
	decode(t, blocks[0][1], &of)
	of[contract.TaskZeroShotClassification] = of[contract.TaskImageClassification]
	for _, task := range contract.TaskTypes {
		body := `{"results": [{"width": 64, "height": 48, "predictions": ` + string(of[task]) + `}]}`
		if _, wrong := parseAnswer([]byte(body), task, sampleNames()); wrong != "" {
			t.Errorf("%s: %s", task, wrong)
		}
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}
