package hub_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestUploadIsProvenAndEverybodyMaySeeHow(t *testing.T) {
	for engine, database := range map[string]func(*testing.T) string{"sqlite": func(*testing.T) string { return "" }, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			r := start(t, hub.Config{Database: database(t), Stages: hub.Stages{
				submission.Scanning: reporting(
					contract.StepReport{Name: "secrets", Status: contract.StepPassed, Seconds: 1},
					contract.StepReport{Name: "malware", Status: contract.StepPassed, Seconds: 2}),
				submission.Testing: reporting(
					contract.StepReport{Name: "structure", Status: contract.StepPassed, Findings: []contract.Finding{
						{Rule: "readme.missing", Severity: contract.SeverityNote, File: "README.md", Text: "there is no README.md", Fix: "write one"},
					}},
					contract.StepReport{Name: "capabilities", Status: contract.StepPassed, Facts: map[string]any{"models_validated": 12, "isolation": "the level of that day"}, Log: "built 12 models\n"}),
			}})
			ann := r.client(t, "ann")
			id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
			events := ann.follow(t, id)
			v := ann.get(t, id)
			if v.Status != "passed" || v.State != submission.Proven || v.StepsTotal != 6 || v.StepsCompleted != 3 {
				t.Errorf("%+v", v)
			}
			if v.Isolation != "the level of that day" {
				t.Errorf("isolation %q", v.Isolation)
			}
			if security := v.Results["security"]; !security.Passed || security.Duration != 3 {
				t.Errorf("the parts of the security step: %+v", security)
			}
			if got := v.Results["capabilities"].ModelsValidated; got != 12 {
				t.Errorf("models_validated %d", got)
			}
			if got := v.Results["structure"].Issues; !slices.Equal(got, []string{"note: README.md: there is no README.md (write one)"}) {
				t.Errorf("issues %q", got)
			}
			if len(v.Steps) != 4 || v.Steps[2].Findings[0].File != "README.md" {
				t.Errorf("steps %+v", v.Steps)
			}
			if log := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+id+"/log").body; !strings.Contains(log, "== capabilities: passed in 0.0 s\nbuilt 12 models") {
				t.Errorf("log %q", log)
			}
			if rest := ann.follow(t, id, "Last-Event-ID", events[2].id); !slices.Equal(rest, events[3:]) {
				t.Errorf("after %s came %v", events[2].id, rest)
			}
			if work, err := os.ReadDir(filepath.Join(r.config.DataDir, "work")); len(work) != 0 || err != nil {
				t.Errorf("left behind: %v, %v", work, err)
			}
		})
	}
}

func TestWhatIsWrongWithAnUploadIsNamed(t *testing.T) {
	r := start(t, hub.Config{BehindProxy: true})
	ann, from := r.client(t, "ann"), 0
	good := part{"file", pack(t, capabilities("custom-yolo", "1.0.0"))}
	for name, c := range map[string]struct {
		query  string
		parts  []part
		status int
		text   string
	}{
		"it would be published":     {"", []part{good}, 422, `"query.dry_run"`},
		"no package":                {"?dry_run=true", []part{{"metadata", "{}"}}, 422, `"body.file"`},
		"two packages":              {"?dry_run=true", []part{good, good}, 422, `two packages`},
		"not a zip":                 {"?dry_run=true", []part{{"file", "PK"}}, 422, `it is no zip`},
		"no capabilities":           {"?dry_run=true", []part{{"file", pack(t, map[string]string{"train.py": ""})}}, 422, `capabilities.json is missing`},
		"requires malformed":        {"?dry_run=true", []part{{"file", pack(t, map[string]string{"capabilities.json": `{"framework": "x", "version": "1.0.0", "requires": {"gpu": true}}`})}}, 422, `requires: json: unknown field`},
		"requires the impossible":   {"?dry_run=true", []part{{"file", pack(t, map[string]string{"capabilities.json": `{"framework": "x", "version": "1.0.0", "requires": {"agent": ">=2,<1"}}`})}}, 422, `requires.agent: no version is`},
		"capabilities too deep":     {"?dry_run=true", []part{{"file", pack(t, map[string]string{"a/b/capabilities.json": "{}"})}}, 422, `capabilities.json is missing`},
		"capabilities are no JSON":  {"?dry_run=true", []part{{"file", pack(t, map[string]string{"a/capabilities.json": "[]"})}}, 422, `not what the contract says`},
		"capabilities without name": {"?dry_run=true", []part{{"file", pack(t, map[string]string{"capabilities.json": "{}"})}}, 422, `"body.metadata.framework_name"`},
		"name of the platform":      {"?dry_run=true", []part{{"file", pack(t, capabilities("ultralytics", "1.0.0"))}}, 422, `kept for the platform`},
		"version is no version":     {"?dry_run=true", []part{{"file", pack(t, capabilities("custom-yolo", "1"))}}, 422, `"body.metadata.version"`},
		"metadata disagree":         {"?dry_run=true", []part{good, {"metadata", `{"version": "2.0.0"}`}}, 422, `make them the same`},
		"metadata are no JSON":      {"?dry_run=true", []part{{"metadata", `{`}, good}, 422, `"body.metadata"`},
		"metadata misspelt":         {"?dry_run=true", []part{{"metadata", `{"organization": "cell-lab"}`}, good}, 422, `unknown field`},
		"two metadata objects":      {"?dry_run=true", []part{{"metadata", `{}{}`}, good}, 422, `something follows`},
		"a dry run, or not":         {"?dry_run=1", []part{good}, 422, `say true or false`},
		"a dry run without a word":  {"?dry_run", []part{good}, 422, `say true or false`},
		"both":                      {"?dry_run=false&dry_run=true", []part{good}, 422, `say true or false`},
		"a query misspelt":          {"?dryrun=true", []part{good}, 422, `"query.dryrun"`},
		"a query that is none":      {"?dry_run=true;x=%", []part{good}, 400, `cannot be read`},
		"unknown field":             {"?dry_run=true", []part{good, {"color", "red"}}, 422, `"body.color"`},
		"metadata too large":        {"?dry_run=true", []part{{"metadata", strings.Repeat(" ", 65<<10)}, good}, 413, `at most 65536 bytes`},
		"package too large":         {"?dry_run=true", []part{{"file", strings.Repeat("x", maxPackage+1)}}, 413, `at most 1 MiB`},
	} {
		from++ // an address of its own: one may send twenty at once
		t.Run(name, func(t *testing.T) {
			got := ann.upload(t, c.query, c.parts, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", from))
			if got.status != c.status || !strings.Contains(got.body, c.text) || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s, want %d with %s", got.status, got.body, c.status, c.text)
			}
		})
	}
	left := 0
	_ = filepath.WalkDir(filepath.Join(r.config.DataDir, "packages"), func(_ string, e os.DirEntry, _ error) error {
		switch {
		case e.IsDir() && e.Name() == "hubs": // who keeps packages here
			return fs.SkipDir
		case !e.IsDir():
			left++
		}
		return nil
	})
	if left > 0 { // the room that refused uploads take is in nobody's quota
		t.Errorf("%d packages were left", left)
	}
	if got, err := ann.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload?dry_run=true", "text/plain", strings.NewReader("x")); got.status != 400 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
