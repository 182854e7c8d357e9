package kit

import (
	"context"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// StepLimit bounds each run of the package's code where Validator.Limit is 0.
const StepLimit = 5 * time.Minute

// DiskLimit bounds what each run writes where Validator.Disk is 0.
const DiskLimit = 4 << 30

// Validator checks a package as the platform checks an upload.
type Validator struct {
	Dir     string        // the package; made from Zip where that is set
	Zip     string        // the package as it was uploaded
	Scratch string        // empty folder for what the steps write
	Dataset string        // Platform Format; empty means a small one made for each task
	Limit   time.Duration // of each run of the package's code
	Disk    int64         // bytes that each run may write
	Tools   Tools
	// Strict fails the security step where a scanner is missing, and looks at every folder,
	// as is done with a zip: what is in it was uploaded.
	Strict bool
	// Security is what is known of the package before its code runs; nil means the scanners
	// that are found here.
	Security func(context.Context) []contract.Finding
	// Progress is told after every change; it must not keep the map.
	Progress func(contract.PackageValidation)
	// Output takes what the package's processes write, as they write it; nil where nobody looks.
	Output io.Writer

	state contract.PackageValidation
	proof proof
}

// Tools are what the steps use. Python, Agent and Environ are required.
type Tools struct {
	Python string // interpreter with the package's requirements
	// Base is what Python's environment stands on, where its packages are a stranger's: they
	// run code when Python starts, so this one is asked for folders outside of the isolation.
	Base    string
	Agent   string // path of trainer-agent itself
	Environ []string
	Runner  runner.Runner // nil means processes, without isolation
	// Image says that Python is a program of the runner's image and no file of this machine.
	// Packages is the folder of what it has beside its own, "" where the image has all.
	Image    bool
	Packages string
	Version  string // of the image's Python
}

// proof is what the steps hand on.
type proof struct {
	before    pristine
	threats   []finding
	scanned   time.Duration
	python    []string // folders of the interpreter
	document  contract.Capabilities
	trainings []training
}

// step takes one step; beside findings it fills in what its result tells.
type step func(context.Context, *contract.StepResult) []finding

// Run takes the six steps in order. After a wrong structure there is nothing to
// run; otherwise every step is taken, so that an author hears everything at once.
// The package is looked at before any of its code runs, and told of last.
func (v *Validator) Run(ctx context.Context) contract.PackageValidation {
	steps := map[string]step{
		"structure": v.structure, "config_schema": v.configSchema, "capabilities": v.capabilities,
		"training_test": v.trainingTest, "inference_test": v.inferenceTest, "security": v.security,
	}
	v.state = contract.PackageValidation{
		Status: "validating", StepsTotal: len(contract.ValidationSteps), Results: map[string]contract.StepResult{},
	}
	v.tell()
	broken := v.unpack()
	if len(broken) == 0 {
		broken = v.prepare(ctx)
	}
	end := "passed"
	for _, name := range contract.ValidationSteps {
		v.state.CurrentStep = name
		v.tell()
		started, result := time.Now(), contract.StepResult{}
		found := broken
		if len(broken) == 0 {
			found = steps[name](ctx, &result)
		}
		v.judge(&result, found)
		took := time.Since(started)
		if name == "security" {
			took += v.proof.scanned
			result.Threats = threats(result.Findings)
		}
		result.Duration = took.Round(time.Millisecond).Seconds()
		v.state.Results[name] = result
		v.state.StepsCompleted++
		if end == "passed" && result.Partly {
			end = contract.StatusPartly
		}
		if !result.Passed && !result.Partly {
			end = "failed"
		}
		if ctx.Err() != nil || (name == "structure" && !result.Passed) {
			end = "failed"
			break
		}
	}
	v.state.Status = end
	v.tell()
	return v.state
}

// unpack makes the package's folder from what was uploaded.
func (v *Validator) unpack() []finding {
	if v.Zip == "" {
		return nil
	}
	root, found, err := archive.Unpack(v.Zip, filepath.Join(v.Scratch, "package"), archive.Default)
	if v.Dir = root; err != nil {
		return []finding{fault("archive.unreadable", "", err.Error())}
	}
	return found
}

// everyFolder reports whether nothing is exempt: at a desk, .venv and its like are no part
// of what will be uploaded.
func (v *Validator) everyFolder() bool { return v.Strict || v.Zip != "" }

// prepare looks at the package while none of its code has run.
func (v *Validator) prepare(ctx context.Context) []finding {
	if v.Tools.Runner == nil {
		v.Tools.Runner = runner.Process{}
	}
	if v.Limit <= 0 {
		v.Limit = StepLimit
	}
	if v.Disk <= 0 {
		v.Disk = DiskLimit
	}
	started := time.Now()
	before, err := look(v.Dir, v.everyFolder())
	if v.proof.before = before; err != nil {
		return []finding{fault("package.unreadable", "", textf("the package could not be read: %v", err))}
	}
	if v.Security == nil {
		v.Security = v.scan
	}
	v.proof.threats = v.Security(ctx)
	v.proof.scanned = time.Since(started)
	if v.Tools.Runner.Level() != runner.LevelProcess {
		if v.proof.python, err = v.Tools.pythonPaths(ctx, v.environment(nil)); err != nil {
			return []finding{fault("isolation.python", "", err.Error())}
		}
	}
	return nil
}

// pythonPaths are the files and folders that the interpreter needs.
func (t Tools) pythonPaths(ctx context.Context, env []string) ([]string, error) {
	if t.Image {
		if t.Packages == "" {
			return nil, nil
		}
		return []string{t.Packages}, nil
	}
	if t.Base == "" {
		return runner.PythonPaths(ctx, t.Python, env)
	}
	paths, err := runner.PythonPaths(ctx, t.Base, env)
	return append(paths, filepath.Dir(filepath.Dir(t.Python))), err
}

func (v *Validator) tell() {
	if v.Progress != nil {
		state := v.state
		state.Results = maps.Clone(v.state.Results)
		v.Progress(state)
	}
}

// judge fills a result in: an error refuses the package, and what could not be looked at
// is never called passed.
func (v *Validator) judge(r *contract.StepResult, found []finding) {
	faults, gaps := 0, 0
	r.Issues, r.Findings = []string{}, []finding{}
	for _, f := range found {
		if v.Strict && Unscanned(f) {
			f.Severity = contract.SeverityError
		}
		switch {
		case f.Severity == contract.SeverityError:
			faults++
		case Unscanned(f):
			gaps++
		}
		r.Findings = append(r.Findings, f)
	}
	r.Findings = contract.Told(r.Findings)
	for _, f := range r.Findings {
		r.Issues = append(r.Issues, Issue(f))
	}
	r.Passed, r.Partly = faults+gaps == 0, faults == 0 && gaps > 0
}

func threats(found []finding) []string {
	all := []string{}
	for _, f := range found {
		if f.Severity == contract.SeverityError {
			all = append(all, Issue(f))
		}
	}
	return all
}

// structure looks for the files of section 9.
func (v *Validator) structure(context.Context, *contract.StepResult) (found []finding) {
	for _, name := range contract.TrainerFilesRequired {
		if !regular(filepath.Join(v.Dir, name)) {
			found = append(found, with(fault("structure.missing", name, "the file is missing"), "docs/trainers.md says what it holds"))
		}
	}
	for _, name := range contract.TrainerFilesOptional {
		if !regular(filepath.Join(v.Dir, name)) {
			found = append(found, note("structure.optional", name, "the file is missing; it is optional"))
		}
	}
	return found
}

// answer is what validate_capabilities.py prints.
type answer struct {
	Passed *bool     `json:"passed"`
	Issues []string  `json:"issues"`
	Models *[]string `json:"models"` // the names of those that were built
}

const capabilitiesScript = "validate_capabilities.py"

// capabilities checks the document, then lets the package prove it.
func (v *Validator) capabilities(ctx context.Context, result *contract.StepResult) []finding {
	document, err := readCapabilities(v.Dir)
	if err != nil {
		return []finding{fault("capabilities.form", "capabilities.json", err.Error())}
	}
	v.proof.document = document
	found := v.checkCapabilities(document)
	var said answer
	f := v.script(ctx, result, &said, capabilitiesScript)
	built := 0
	switch {
	case len(said.Issues) > 0:
		for _, issue := range said.Issues[:min(len(said.Issues), maxFindings)] {
			found = append(found, fault("capabilities.claim", capabilitiesScript, issue))
		}
	case f != nil:
		found = append(found, *f)
	case said.Passed == nil || !*said.Passed:
		found = append(found, fault("capabilities.answer", capabilitiesScript, `it printed no {"passed": true, "issues": [], "models": [names]}`))
	case said.Models == nil:
		found = append(found, with(warning("capabilities.unproven", capabilitiesScript, "it does not say which models it built, so none counts as validated"), `print their names as "models"`))
	default:
		missing, count := unproven(document, *said.Models)
		built = count
		for _, name := range missing[:min(len(missing), contract.MaxFindings)] {
			found = append(found, with(v.naming(fault("capabilities.unproven", "capabilities.json", textf("the model %s was not built by %s", name, capabilitiesScript)), name), `build it there, or set "supported": false`))
		}
	}
	result.ModelsValidated = &built
	return found
}

// unproven are the supported models that are not among those that were built.
func unproven(document contract.Capabilities, built []string) (missing []string, count int) {
	for _, m := range document.Models {
		switch {
		case !m.Supported:
		case slices.Contains(built, m.ModelName):
			count++
		default:
			missing = append(missing, m.ModelName)
		}
	}
	return missing, count
}

func (v *Validator) configSchema(ctx context.Context, result *contract.StepResult) []finding {
	var schema contract.ConfigSchema
	if f := v.script(ctx, result, &schema, schemaScript); f != nil {
		return []finding{*f}
	}
	result.Schema = &schema
	return checkSchema(schema)
}

// lastLines are the ends of an output that an author needs to see.
func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], " | ")
}
