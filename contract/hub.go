package contract

import (
	"cmp"
	"fmt"
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
	// SHA256 is of the file, hexadecimal, where a hub may waive the rule: a waiver belongs to both.
	SHA256 string `json:"sha256,omitempty"`
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

// UsedTrainer is the trainer of a hub that a job trains with, as agent_started tells it.
type UsedTrainer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"` // of its image or bundle
}

// Card is what a list of trainers shows of one, in its author's words.
type Card struct {
	DisplayName string   `json:"display_name"`
	Description string   `json:"description"`
	License     string   `json:"license,omitempty"`
	Tasks       []string `json:"tasks"` // names of task types that are supported
}

// Release is a published version of a trainer: what of it is where, by digest. The digests
// are sha256:HEX.
type Release struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	PackageSHA  string `json:"package_sha256"` // of the uploaded bytes, hexadecimal
	Repository  string `json:"repository"`     // in the registry
	Image       string `json:"image"`          // digest of the image; empty where the hub makes none
	Bundle      string `json:"bundle"`         // digest of the package with its wheels
	SBOM        string `json:"sbom"`           // digest of the bill of materials' manifest
	Attestation string `json:"attestation"`    // digest of the signed provenance's manifest
	Python      string `json:"python"`         // that the wheels are for, such as 3.11
	Platform    string `json:"platform"`       // that the wheels are for, such as linux/amd64
	Agent       string `json:"agent"`          // version of trainer-agent that proved it
	Key         string `json:"key"`            // SHA-256 of the key that signed, hexadecimal
	// Requires is what the trainer needs where its jobs run; nil for nothing.
	Requires *Requires `json:"requires,omitempty"`
}

// Media types of what a release consists of beside its image.
const (
	MediaBundle      = "application/vnd.trainer-hub.bundle.v1+json"
	MediaPackage     = "application/vnd.trainer-hub.package.v1+zip"
	MediaWheel       = "application/vnd.trainer-hub.wheel.v1+zip"
	MediaLock        = "application/vnd.trainer-hub.lock.v1+text"
	MediaSBOM        = "application/vnd.cyclonedx+json"
	MediaAttestation = "application/vnd.in-toto+json"
	// AnnotationTitle is a layer's file name, by the image specification.
	AnnotationTitle = "org.opencontainers.image.title"
)

// Statement is an in-toto statement of provenance: which artifacts, made of what.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Provenance `json:"predicate"`
}

// What a Statement of the hub says that it is.
const (
	StatementType  = "https://in-toto.io/Statement/v1"
	ProvenanceType = "https://slsa.dev/provenance/v1"
	BuildType      = "https://github.com/vision-platform/trainer-agent/docs/hub.md#provenance"
)

// SBOMName is what a Statement calls the bill of materials.
const SBOMName = "sbom.cdx.json"

// BundleName is what a Statement calls a trainer's bundle; the image has the trainer's name.
func BundleName(trainer string) string { return trainer + "-bundle" }

// Resource is something with a name and digests (in-toto's ResourceDescriptor).
type Resource struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"` // algorithm → hexadecimal
}

// Provenance is how a release was made (SLSA provenance 1.0).
type Provenance struct {
	BuildDefinition struct {
		BuildType          string            `json:"buildType"`
		ExternalParameters map[string]string `json:"externalParameters"`
		Dependencies       []Resource        `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version"`
		} `json:"builder"`
		Byproducts []Resource `json:"byproducts"` // the bill of materials
	} `json:"runDetails"`
}

// Envelope is a signed payload (DSSE).
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is one of an Envelope: by the key whose SHA-256 KeyID is, hexadecimal.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// Signed are the bytes that the signatures of an envelope sign (DSSE's pre-authentication
// encoding).
func (e Envelope) Signed() []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
}
