package proofs

import (
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// Validation is a submission as the platform's frontend polls it, with what was
// found and how long each step took.
type Validation struct {
	Status         string                    `json:"status" enum:"validating,passed,failed"`
	CurrentStep    string                    `json:"current_step"`
	StepsCompleted int                       `json:"steps_completed"`
	StepsTotal     int                       `json:"steps_total"`
	Results        map[string]map[string]any `json:"results" doc:"For each of the six steps: passed, duration, issues, and what was measured."`

	ID        string                `json:"validation_job_id"`
	Name      string                `json:"name"`
	Version   string                `json:"version"`
	Author    string                `json:"author" doc:"The name of the user who uploaded it."`
	SHA256    string                `json:"sha256"`
	DryRun    bool                  `json:"dry_run"`
	State     submission.State      `json:"state" doc:"received, scanning, building, testing, publishing; review; active, proven, rejected, error, cancelled"`
	Reason    string                `json:"reason" doc:"Why it ended."`
	Attempt   int64                 `json:"attempt"`
	Isolation string                `json:"isolation" doc:"How its code was kept from the hub's machine; empty when none of it has run, and in lists."`
	Steps     []contract.StepReport `json:"steps" doc:"In the order in which they were taken; their logs are at …/log."`
	Appeal    *submission.Appeal    `json:"appeal,omitempty" doc:"The newest; absent in lists."`
	Created   int64                 `json:"created" doc:"Milliseconds since 1970."`
	Updated   int64                 `json:"updated" doc:"Milliseconds since 1970."`
	Expired   int64                 `json:"expired_at,omitempty" doc:"When its package was deleted, because it had ended without a version a while ago: milliseconds since 1970. It can be neither tried again nor appealed then; absent while the package is kept."`
}

func (v Validation) place() store.Place { return store.Place{Created: v.Created, ID: v.ID} }

// view puts a submission and its steps into the platform's words.
func view(at submission.Submission, steps []contract.StepReport) Validation {
	v := Validation{
		Status: at.State.Status(), CurrentStep: seedStep(at.Step), StepsTotal: len(contract.ValidationSteps), Results: map[string]map[string]any{},
		ID: at.ID, Name: at.Name, Version: at.Version, Author: at.Author, SHA256: at.SHA256, DryRun: at.DryRun, State: at.State, Reason: at.Reason,
		Attempt: at.Attempt, Steps: []contract.StepReport{}, Created: at.Created, Updated: at.Updated, Expired: at.Expired,
	}
	for _, step := range steps {
		v.add(step)
		if level, told := step.Facts["isolation"].(string); told {
			v.Isolation = level
		}
		step.Log = ""
		v.Steps = append(v.Steps, step)
	}
	v.StepsCompleted = len(v.Results)
	if _, running := v.Results[v.CurrentStep]; running && at.State.Open() {
		v.StepsCompleted-- // one part of it is over, another is not
	}
	return v
}

// seedStep is which of the six steps a step belongs to: wheels are chosen by a file of
// the structure, and whatever else is no step of its own there is a part of the security
// scan.
func seedStep(step string) string {
	switch {
	case step == "" || slices.Contains(contract.ValidationSteps, step):
		return step
	case step == "dependencies":
		return "structure"
	default:
		return "security"
	}
}

// add puts a step's report to the results of the step that it belongs to.
func (v *Validation) add(step contract.StepReport) {
	name := seedStep(step.Name)
	result := v.Results[name]
	if result == nil {
		result = map[string]any{"passed": true, "duration": 0.0, "issues": []string{}}
		if name == "security" {
			result["threats"] = []string{} // those that refuse the package: a warning is none
		}
		v.Results[name] = result
	}
	passed := step.Status == contract.StepPassed || step.Status == contract.StepSkipped
	result["passed"] = result["passed"].(bool) && passed
	result["duration"] = result["duration"].(float64) + step.Seconds
	for _, finding := range step.Findings {
		result["issues"] = append(result["issues"].([]string), kit.Issue(finding))
		if name == "security" && finding.Severity == contract.SeverityError {
			result["threats"] = append(result["threats"].([]string), kit.Issue(finding))
		}
	}
	for key, value := range step.Facts {
		result[key] = value
	}
}
