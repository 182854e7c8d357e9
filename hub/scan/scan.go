package scan

import (
	"context"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/static"
)

// Tools are the scanners of an operator. What is not set is missing, and said to be.
type Tools struct {
	Vulnerabilities *Database
	Clamd           string // address: unix:/path or host:port
	ClamdMax        int64  // bytes that clamd reads of a file; 0 means DefaultClamdMax
}

// DefaultClamdMax is what Debian's clamd.conf lets clamd read of a file: 25 MiB. Of a larger one clamd
// says that it is clean, without having looked (MaxFileSize), or breaks off (StreamMaxLength).
const DefaultClamdMax = 25 << 20

// unscanned begins the rules of what could not be looked at (trainers/kit has the same).
const unscanned = "unscanned."

// step is one of the scans: what it found, and facts of its database.
type step func(ctx context.Context, dir string) ([]contract.Finding, map[string]any, error)

// Run takes every scan, so that an author hears everything at once.
func Run(ctx context.Context, dir string, tools Tools) []contract.StepReport {
	steps := []struct {
		name string
		run  step
	}{
		{"files", files}, {"secrets", secrets}, {"dependencies", tools.dependencies}, {"malware", tools.malware},
	}
	reports := make([]contract.StepReport, 0, len(steps))
	for _, s := range steps {
		started := time.Now()
		found, facts, err := s.run(ctx, dir)
		if found == nil {
			found = []contract.Finding{}
		}
		if err != nil {
			found = append(found, missing(s.name, fmt.Sprintf("not scanned for %s: %v", s.name, err)))
		}
		reports = append(reports, contract.StepReport{
			Name: s.name, Status: verdict(found), Seconds: time.Since(started).Seconds(), Findings: found, Facts: facts,
		})
	}
	return reports
}

// Findings are those of all reports.
func Findings(reports []contract.StepReport) (all []contract.Finding) {
	for _, r := range reports {
		all = append(all, r.Findings...)
	}
	return all
}

// missing is the finding of a scan that was not made.
func missing(scan, text string) contract.Finding {
	return contract.Finding{Rule: unscanned + scan, Severity: contract.SeverityWarning, Text: text, Fix: "the operator of the hub sets the scanner up"}
}

// verdict of a scan: not having looked is the hub's fault, not the package's.
func verdict(found []contract.Finding) string {
	status := contract.StepPassed
	for _, f := range found {
		switch {
		case f.Severity == contract.SeverityError:
			return contract.StepFailed
		case len(f.Rule) > len(unscanned) && f.Rule[:len(unscanned)] == unscanned:
			status = contract.StepError
		}
	}
	return status
}

// files are the rules that need no database.
func files(_ context.Context, dir string) ([]contract.Finding, map[string]any, error) {
	found, err := static.Check(dir)
	return found, nil, err
}
