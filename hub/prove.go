package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/build"
	"github.com/vision-platform/trainer-agent/hub/scan"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/trainers/kit"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// Proof is how packages are proven: with the code of `trainer-agent validate
// --strict`, so that both say the same of the same bytes.
type Proof struct {
	Build   build.Tools // makes what a package runs in; its Python has nothing that packages require
	Agent   string      // path of trainer-agent
	Environ []string
	Runner  runner.Runner // where a package's code runs
	Image   bool          // it runs with the Python of the runner's image, and the wheels beside it
	// AllowUnscanned are scans that may be missing: malware, dependencies.
	AllowUnscanned []string
	Scanners       scan.Tools
}

// Stages are the work of each state but publishing.
func (p Proof) Stages() Stages {
	return Stages{submission.Scanning: p.scan, submission.Building: p.build, submission.Testing: p.test}
}

// build makes the environment that the package is proven in, and runs in later.
func (p Proof) build(ctx context.Context, w *Work) error {
	const step = "dependencies"
	if err := w.Begin(ctx, step); err != nil {
		return err
	}
	started := time.Now()
	e, found, err := w.make(ctx, p.Build)
	if err == nil && e != nil {
		var wheels []scan.Requirement
		for _, wheel := range e.Wheels {
			wheels = append(wheels, scan.Requirement{Name: wheel.Name, Version: wheel.Version})
		}
		if found, err = p.Scanners.Wheels(wheels); err == nil {
			found, err = w.judged(ctx, w.source, found)
		}
	}
	if err != nil {
		return err
	}
	report := contract.StepReport{Name: step, Status: status(found), Seconds: time.Since(started).Seconds(), Findings: found, Facts: map[string]any{}}
	if e != nil {
		report.Facts["wheels"] = len(e.Wheels)
	}
	return errors.Join(w.Report(ctx, report), refused([]contract.StepReport{report}))
}

// scan looks at the bytes before any of their code runs: what hides in the archive
// or in its files ends the way here, and so does a scan that cannot be made.
func (p Proof) scan(ctx context.Context, w *Work) error {
	const step = "security"
	if err := w.Begin(ctx, step); err != nil {
		return err
	}
	started, report := time.Now(), contract.StepReport{Name: step, Facts: map[string]any{}}
	root, found, err := archive.Unpack(w.File, filepath.Join(w.Dir, "scanned"), archive.Default)
	if err != nil {
		return err
	}
	if report.Findings = found; len(found) == 0 {
		for _, r := range scan.Run(ctx, root, p.Scanners) {
			report.Findings = append(report.Findings, p.weighed(r.Findings)...)
			maps.Copy(report.Facts, r.Facts)
		}
		if report.Findings, err = w.judged(ctx, root, report.Findings); err != nil {
			return err
		}
	}
	report.Findings = contract.Told(report.Findings)
	report.Status, report.Seconds = status(report.Findings), time.Since(started).Seconds()
	reports := []contract.StepReport{report}
	if err := errors.Join(w.Report(ctx, report), os.RemoveAll(filepath.Join(w.Dir, "scanned"))); err != nil {
		return err
	}
	if err := ours(reports); err != nil {
		return err
	}
	return refused(reports)
}

// weighed makes what was not scanned an error, unless the operator lets it pass.
func (p Proof) weighed(found []contract.Finding) []contract.Finding {
	for i, f := range found {
		if kit.Unscanned(f) && !allowed(f, p.AllowUnscanned) {
			found[i].Severity = contract.SeverityError
		}
	}
	return found
}

func allowed(f contract.Finding, scans []string) bool {
	return slices.ContainsFunc(scans, func(scan string) bool { return strings.HasSuffix(f.Rule, "."+scan) })
}

func status(found []contract.Finding) string {
	if slices.ContainsFunc(found, func(f contract.Finding) bool { return f.Severity == contract.SeverityError }) {
		return contract.StepFailed
	}
	return contract.StepPassed
}

// test takes the six steps.
func (p Proof) test(ctx context.Context, w *Work) error {
	scratch := filepath.Join(w.Dir, "tested")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	e, err := w.Environment(ctx, p.Build)
	if err != nil {
		return err
	}
	tools := kit.Tools{Python: e.Python, Base: p.Build.Python, Agent: p.Agent, Environ: p.Environ, Runner: p.Runner}
	if p.Image {
		tools.Image, tools.Python, tools.Version = true, "python3", kit.PythonVersion(e.Python) // the base's is of the same minor version
		if tools.Packages, err = e.Packages(); err != nil {
			return err
		}
	}
	telling, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	told := teller{work: w, allowed: p.AllowUnscanned, isolation: p.Runner.Level()}
	out, done := w.Output()
	defer done()
	var v kit.Validator
	v = kit.Validator{
		Output: out,
		Security: func(ctx context.Context) []contract.Finding {
			found, err := w.judged(ctx, v.Dir, scan.Findings(scan.Run(ctx, v.Dir, p.Scanners)))
			if err != nil {
				stop(err)
			}
			return found
		},
		Zip: w.File, Scratch: scratch, Strict: true, Tools: tools,
		Progress: func(state contract.PackageValidation) {
			if err := told.tell(telling, state); err != nil {
				stop(err)
			}
		},
	}
	v.Run(telling)
	if err := context.Cause(telling); err != nil {
		return err
	}
	if err := ours(told.reports); err != nil {
		return err
	}
	return refused(told.reports)
}

// training is the step that says how a package's code was isolated.
const training = "training_test"

// teller tells the submission's events what the validator tells it.
type teller struct {
	work      *Work
	allowed   []string
	isolation string
	reports   []contract.StepReport
	step      string
}

func (t *teller) tell(ctx context.Context, state contract.PackageValidation) error {
	for _, name := range contract.ValidationSteps {
		result, over := state.Results[name]
		if !over || slices.ContainsFunc(t.reports, func(r contract.StepReport) bool { return r.Name == name }) {
			continue
		}
		report, err := t.report(name, result)
		if err == nil {
			t.reports = append(t.reports, report)
			err = t.work.Report(ctx, report)
		}
		if err != nil {
			return err
		}
	}
	if state.CurrentStep == t.step || state.Status != "validating" {
		return nil
	}
	t.step = state.CurrentStep
	return t.work.Begin(ctx, t.step)
}

// report is a result of the validator in the hub's words. What the operator lets
// pass unscanned is a warning.
func (t *teller) report(name string, result contract.StepResult) (contract.StepReport, error) {
	for i, f := range result.Findings {
		if kit.Unscanned(f) && allowed(f, t.allowed) {
			result.Findings[i].Severity = contract.SeverityWarning
		}
	}
	report := contract.StepReport{Name: name, Status: status(result.Findings), Seconds: result.Duration, Findings: result.Findings, Log: result.Log}
	result.Log, result.Findings = "", nil
	text, err := json.Marshal(result)
	if err == nil {
		err = json.Unmarshal(text, &report.Facts)
	}
	for _, told := range []string{"passed", "partly", "duration", "issues", "findings", "threats"} {
		delete(report.Facts, told)
	}
	if name == training && err == nil {
		report.Facts["isolation"] = t.isolation // of this proof, whatever the hub has later
	}
	return report, err
}

// oursRules begin the findings that are no fault of the package, unless they name a
// file of it: what is too large to be scanned is its author's to leave out.
var oursRules = []string{"unscanned.", "isolation.", "machine.", "archive.unreadable", "package.unreadable"}

// ours is what kept the hub from proving a package, when something did.
func ours(reports []contract.StepReport) error {
	for _, report := range reports {
		for _, f := range report.Findings {
			if f.Severity == contract.SeverityError && f.File == "" && slices.ContainsFunc(oursRules, func(rule string) bool { return strings.HasPrefix(f.Rule, rule) }) {
				return fmt.Errorf("%s: %s", report.Name, f.Text)
			}
		}
	}
	return nil
}

// refused is why a package does not pass, nil when it does.
func refused(reports []contract.StepReport) error {
	var failed []string
	for _, report := range reports {
		if report.Status == contract.StepFailed {
			failed = append(failed, report.Name)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &Rejection{Reason: "not passed: " + strings.Join(failed, ", ") + "; the findings say why"}
}
