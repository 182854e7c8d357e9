package contract

import (
	"cmp"
	"slices"
	"strings"
)

// How grave a Finding is: an error refuses a package, the others never do.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityNote    = "note"
)

// Finding is one thing to say of a trainer package, at its line where it has one.
type Finding struct {
	Rule     string `json:"rule"`     // stable identifier, such as "secret.aws-key"
	Severity string `json:"severity"` // SeverityError, SeverityWarning, SeverityNote
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"` // from 1; 0 means the whole file
	Text     string `json:"text"`
	Fix      string `json:"fix,omitempty"`
}

// Of the findings of one step: how many are told, and how many bytes of each text.
const (
	MaxFindings    = 200
	maxFindingText = 4 << 10
)

// Told are the findings that somebody can read: of more than MaxFindings the gravest.
// A package may be wrong in a hundred thousand places, and what is told is kept and sent.
func Told(found []Finding) []Finding {
	told := slices.Clone(found)
	if len(told) > MaxFindings {
		grave := []string{SeverityError, SeverityWarning, SeverityNote}
		slices.SortStableFunc(told, func(a, b Finding) int {
			return cmp.Compare(slices.Index(grave, a.Severity), slices.Index(grave, b.Severity))
		})
		told = append(told[:MaxFindings], Finding{
			Rule: "findings.more", Severity: SeverityNote, Text: "there are more findings of this step than are told", Fix: "mend these first",
		})
	}
	for i, f := range told {
		if len(f.Text) > maxFindingText {
			told[i].Text = strings.ToValidUTF8(f.Text[:maxFindingText], "") + "…"
		}
	}
	return told
}

// How a step of proving a package ended. StepError is the prover's own fault,
// never the package's.
const (
	StepPassed  = "passed"
	StepFailed  = "failed"
	StepSkipped = "skipped"
	StepError   = "error"
)

// StepReport is one step of proving a package, with what was found.
type StepReport struct {
	Name     string    `json:"name"`
	Status   string    `json:"status"` // StepPassed, StepFailed, StepSkipped, StepError
	Seconds  float64   `json:"seconds"`
	Findings []Finding `json:"findings"`
	Log      string    `json:"log,omitempty"` // the end of what the step's processes wrote
	// Facts are what was measured: models_validated, output_valid, metrics, …
	Facts map[string]any `json:"facts,omitempty"`
}

// Package is an uploaded trainer package, unpacked.
type Package struct {
	Name    string `json:"name"`    // framework of capabilities.json
	Version string `json:"version"` // semantic version
	SHA256  string `json:"sha256"`  // of the uploaded bytes, hexadecimal
	Dir     string `json:"-"`       // where it is unpacked; not to be written to
}
