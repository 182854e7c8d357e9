package kit

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// StepLimit bounds each step that runs the package's code.
const StepLimit = 5 * time.Minute

// Validator checks a package as the platform checks an upload. Every field but
// Dataset and Progress is required.
type Validator struct {
	Dir     string // the package
	Python  string // interpreter with the package's requirements
	Agent   string // path of trainer-agent itself
	Scratch string // empty folder for what the steps write
	Dataset string // Platform Format; empty means a small one made for the task
	Environ []string
	// Strict fails the security step where a scanner is missing.
	Strict bool
	// Progress is told after every change; it must not keep the map.
	Progress func(contract.PackageValidation)

	state      contract.PackageValidation
	before     pristine
	scanned    []finding // what the scanners say of it
	document   contract.Capabilities
	checkpoint string // of the training test
	task       contract.TaskType
	model      string
}

// finding is something to say of a package.
type finding struct {
	text string
	gap  bool // something that could not be looked at
	note bool // good to know, never a reason to refuse
}

func fault(format string, args ...any) finding { return finding{text: fmt.Sprintf(format, args...)} }
func note(format string, args ...any) finding {
	return finding{text: fmt.Sprintf(format, args...), note: true}
}
func gap(format string, args ...any) finding {
	return finding{text: fmt.Sprintf(format, args...), gap: true}
}

// Run takes the six steps in order. After a wrong structure there is nothing to
// run; otherwise every step is taken, so that an author hears everything at once.
func (v *Validator) Run(ctx context.Context) contract.PackageValidation {
	steps := map[string]func(context.Context) []finding{
		"structure": v.structure, "config_schema": v.configSchema, "capabilities": v.capabilities,
		"training_test": v.trainingTest, "inference_test": v.inferenceTest, "security": v.security,
	}
	v.state = contract.PackageValidation{
		Status: "validating", StepsTotal: len(contract.ValidationSteps), Results: map[string]contract.StepResult{},
	}
	end := "passed"
	for _, name := range contract.ValidationSteps {
		v.state.CurrentStep = name
		v.tell()
		started := time.Now()
		result := v.result(steps[name](ctx))
		result.Duration = time.Since(started).Round(time.Millisecond).Seconds()
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

func (v *Validator) tell() {
	if v.Progress != nil {
		state := v.state
		state.Results = maps.Clone(v.state.Results)
		v.Progress(state)
	}
}

// result never passes what could not be looked at.
func (v *Validator) result(found []finding) contract.StepResult {
	r := contract.StepResult{Issues: []string{}}
	faults, gaps := 0, 0
	for _, f := range found {
		switch {
		case f.note:
			r.Issues = append(r.Issues, "note: "+f.text)
		case f.gap && !v.Strict:
			gaps++
			r.Issues = append(r.Issues, "note: "+f.text)
		default:
			faults++
			r.Issues = append(r.Issues, f.text)
		}
	}
	r.Passed, r.Partly = faults+gaps == 0, faults == 0 && gaps > 0
	return r
}

// structure looks for the files of section 9, and has everything scanned as it was
// uploaded: the steps that follow run the package's own code.
func (v *Validator) structure(ctx context.Context) (found []finding) {
	v.scan(ctx)
	for _, name := range contract.TrainerFilesRequired {
		if !regular(filepath.Join(v.Dir, name)) {
			found = append(found, fault("%s is missing", name))
		}
	}
	for _, name := range contract.TrainerFilesOptional {
		if !regular(filepath.Join(v.Dir, name)) {
			found = append(found, note("%s is missing; it is optional", name))
		}
	}
	return found
}

// capabilities checks the document, then lets the package prove it.
func (v *Validator) capabilities(ctx context.Context) []finding {
	document, err := readCapabilities(v.Dir)
	if err != nil {
		return []finding{fault("%v", err)}
	}
	v.document = document
	found := checkCapabilities(document)
	var answer struct {
		Passed *bool    `json:"passed"`
		Issues []string `json:"issues"`
	}
	f := v.script(ctx, &answer, "validate_capabilities.py")
	switch {
	case len(answer.Issues) > 0:
		for _, issue := range answer.Issues {
			found = append(found, fault("validate_capabilities.py: %s", issue))
		}
	case f != nil:
		found = append(found, *f)
	case answer.Passed == nil || !*answer.Passed:
		found = append(found, fault(`validate_capabilities.py printed no {"passed": true, "issues": []}`))
	}
	return found
}

func (v *Validator) configSchema(ctx context.Context) []finding {
	var schema contract.ConfigSchema
	if f := v.script(ctx, &schema, "config_schema.py"); f != nil {
		return []finding{*f}
	}
	return checkSchema(schema)
}

// lastLines are the ends of an output that an author needs to see.
func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], " | ")
}
