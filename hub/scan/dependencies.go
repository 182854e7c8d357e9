package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	version "github.com/aquasecurity/go-pep440-version"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/static"
)

const (
	requirements    = "requirements.txt"
	maxRequirements = 1 << 20             // bytes
	oldData         = 30 * 24 * time.Hour // after which known vulnerabilities are no longer known well
)

// Requirement is one pinned package.
type Requirement struct {
	Name, Version string
	Line          int
}

// pin is a requirement with its exact version (PEP 508, as far as it is pinned).
var pin = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)\s*(?:[;#\\].*|--hash.*|)$`)

// named is how any other requirement begins: a name, or what else it is.
var named = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*|.{1,100})`)

// include is an option that leads to another file of requirements.
var include = regexp.MustCompile(`^(-[rc]|--(requirement|constraint)\b)`)

// dependencies compares requirements.txt with the advisories.
func (t Tools) dependencies(_ context.Context, dir string) (found []contract.Finding, facts map[string]any, err error) {
	if t.Vulnerabilities == nil {
		return nil, nil, errors.New("no vulnerability data is set")
	}
	known, err := t.Vulnerabilities.Current()
	if err != nil {
		return nil, nil, err
	}
	text, err := readRequirements(dir)
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxRequirements {
		return []contract.Finding{{
			Rule: "dependency.size", Severity: contract.SeverityError, File: requirements,
			Text: fmt.Sprintf("it has more than %d bytes, which nobody can read", maxRequirements), Fix: "name each package once",
		}}, nil, nil
	}
	pinned, loose, included := parseRequirements(text)
	facts = map[string]any{"advisories": known.Count, "data_of": known.Newest.UTC().Format(time.DateOnly)}
	if age := time.Since(known.Newest); age > oldData {
		found = append(found, missing("dependencies", fmt.Sprintf("the vulnerability data is %d days old", int(age.Hours()/24))))
	}
	for _, r := range loose {
		found = append(found, contract.Finding{
			Rule: "dependency.unpinned", Severity: contract.SeverityWarning, File: requirements, Line: r.Line,
			Text: r.Name + " is not pinned with ==, so its version was not compared with known vulnerabilities", Fix: "pin it",
		})
	}
	for _, line := range included {
		found = append(found, contract.Finding{
			Rule: "dependency.included", Severity: contract.SeverityWarning, File: requirements, Line: line,
			Text: "what the other file names was not compared with known vulnerabilities", Fix: "name every package here",
		})
	}
	for _, r := range pinned {
		found = append(found, known.Match(r)...)
	}
	return found, facts, nil
}

// Wheels compares what is really installed with the advisories: beside what the file pins,
// everything that those require. Without advisories nothing is said here: the scan of the
// file has said that they are missing.
func (t Tools) Wheels(wheels []Requirement) (found []contract.Finding, err error) {
	if t.Vulnerabilities == nil {
		return nil, nil
	}
	known, err := t.Vulnerabilities.Current()
	if err != nil {
		return nil, err
	}
	for _, w := range wheels {
		for _, f := range known.Match(w) {
			f.Text += " (a wheel that the package is installed with)"
			found = append(found, f)
		}
	}
	return found, nil
}

// readRequirements reads the file, a byte more than it may have. Without one there is
// nothing to compare: that a package needs one is said by whoever looks at its structure.
func readRequirements(dir string) (string, error) {
	path := filepath.Join(dir, requirements)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return "", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, maxRequirements+1))
	return string(body), err
}

// parseRequirements reads lines as pip does; included are the lines that lead to another
// file.
func parseRequirements(text string) (pinned, loose []Requirement, included []int) {
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		for _, part := range static.Parts(line) {
			m := pin.FindStringSubmatch(part)
			switch {
			case m != nil:
				pinned = append(pinned, Requirement{m[1], m[2], number})
			case include.MatchString(part):
				included = append(included, number)
			case part[0] != '-':
				loose = append(loose, Requirement{Name: named.FindString(part), Line: number})
			}
		}
	}
	return pinned, loose, included
}

// Match are the findings for one package.
func (a *Advisories) Match(r Requirement) (found []contract.Finding) {
	have, err := version.Parse(r.Version)
	if err == nil { // a local part (+cu118) names a build of the release
		public, _, _ := strings.Cut(r.Version, "+")
		have, err = version.Parse(public)
	}
	if err != nil {
		return []contract.Finding{{
			Rule: "dependency.version", Severity: contract.SeverityError, File: requirements, Line: r.Line,
			Text: r.Version + " is no version of a Python package", Fix: "name a release of " + r.Name,
		}}
	}
	for _, known := range a.of[Normal(r.Name)] {
		affected, fix := known.affects(have)
		if !affected {
			continue
		}
		f := contract.Finding{
			Rule: "vulnerability." + known.id, Severity: contract.SeverityError, File: requirements, Line: r.Line,
			Text: r.Name + " " + r.Version + " has the known vulnerability " + known.id, Fix: "no version has it fixed: leave the package out",
		}
		if known.summary != "" {
			f.Text += ": " + known.summary
		}
		if fix != "" {
			f.Fix = "it is fixed in " + fix
		}
		if strings.HasPrefix(known.id, "MAL-") {
			f.Rule, f.Text, f.Fix = "malware."+known.id, r.Name+" "+r.Version+" is a malicious package ("+known.id+")", "leave it out"
		}
		found = append(found, f)
	}
	return found
}

// affects says whether a version is among the named ones or in a range, and which
// version ends the range.
func (k advisory) affects(have version.Version) (affected bool, fix string) {
	affected = slices.ContainsFunc(k.versions, func(v string) bool {
		named, err := version.Parse(v)
		return err == nil && named.Equal(have)
	})
	for _, events := range k.ranges {
		if in, end := within(events, have); in {
			affected, fix = true, end
		}
	}
	return affected, fix
}

// point is where a range begins or ends.
type point struct {
	at    version.Version
	opens bool
	after bool // the version itself is still affected
	fixed string
}

// points sorts the events of a range by version. A range with a version from before
// PEP 440 cannot be sorted: then the versions that the advisory names hold, which OSV
// lists for this ecosystem.
func points(events []event) (all []point) {
	for _, e := range events {
		text, p := e.Introduced, point{opens: true}
		switch {
		case e.Fixed != "":
			text, p = e.Fixed, point{fixed: e.Fixed}
		case e.LastAffected != "":
			text, p = e.LastAffected, point{after: true}
		case e.Introduced == "":
			continue // a limit, which this ecosystem does not use
		case e.Introduced == "0":
			text = "0.dev0" // before every version
		}
		var err error
		if p.at, err = version.Parse(text); err != nil {
			return nil
		}
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b point) int { return a.at.Compare(b.at) })
	return all
}

// within evaluates a range as osv-schema says: each event holds for its version and what
// follows, until the next.
func within(events []event, have version.Version) (in bool, fix string) {
	for _, p := range points(events) {
		switch {
		case !have.LessThan(p.at) && (!p.after || !have.Equal(p.at)):
			in = p.opens
		case in && fix == "":
			fix = p.fixed
		}
	}
	return in, fix
}
