package scan

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// OSV's archive of an ecosystem holds one JSON file an advisory (ossf.github.io/osv-schema).
const (
	maxAdvisories = 500_000
	maxAdvisory   = 4 << 20 // bytes
	ecosystem     = "PyPI"
)

// Advisories are the known vulnerabilities of Python packages.
type Advisories struct {
	Count  int
	Newest time.Time // when the newest of them was changed: the age of the data
	of     map[string][]advisory
}

// advisory is what is known of one package.
type advisory struct {
	id, summary string
	versions    []string // affected ones, named
	ranges      [][]event
}

// event begins or ends a range of affected versions.
type event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
}

// record is one file of the archive.
type record struct {
	ID        string     `json:"id"`
	Modified  time.Time  `json:"modified"`
	Withdrawn *time.Time `json:"withdrawn"`
	Summary   string     `json:"summary"`
	Affected  []struct {
		Package struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Type   string  `json:"type"`
			Events []event `json:"events"`
		} `json:"ranges"`
		Versions []string `json:"versions"`
	} `json:"affected"`
}

// ReadAdvisories reads an archive of OSV (PyPI/all.zip). One that cannot be read whole is
// an error: half a database would be read as a clean package.
func ReadAdvisories(path string) (*Advisories, error) {
	in, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("opening the vulnerability data: %w", err)
	}
	defer func() { _ = in.Close() }()
	if len(in.File) > maxAdvisories {
		return nil, fmt.Errorf("the vulnerability data %s has more than %d files", path, maxAdvisories)
	}
	a := &Advisories{of: map[string][]advisory{}}
	for _, f := range in.File {
		if !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		r, err := readRecord(f)
		if err != nil {
			return nil, fmt.Errorf("reading %s of the vulnerability data: %w", f.Name, err)
		}
		a.add(r)
	}
	if a.Count == 0 {
		return nil, fmt.Errorf("the vulnerability data %s has no advisory of %s", path, ecosystem)
	}
	return a, nil
}

func readRecord(f *zip.File) (r record, err error) {
	in, err := f.Open()
	if err != nil {
		return r, err
	}
	defer func() { _ = in.Close() }()
	body, err := io.ReadAll(io.LimitReader(in, maxAdvisory+1))
	if err == nil && len(body) > maxAdvisory {
		err = errors.New("it is larger than an advisory ever is")
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(body, &r)
}

func (a *Advisories) add(r record) {
	if r.Modified.After(a.Newest) {
		a.Newest = r.Modified
	}
	if r.Withdrawn != nil {
		return
	}
	for _, affected := range r.Affected {
		if affected.Package.Ecosystem != ecosystem {
			continue
		}
		one := advisory{id: r.ID, summary: r.Summary, versions: affected.Versions}
		for _, rng := range affected.Ranges {
			if rng.Type == "ECOSYSTEM" {
				one.ranges = append(one.ranges, rng.Events)
			}
		}
		name := Normal(affected.Package.Name)
		a.of[name] = append(a.of[name], one)
		a.Count++
	}
}

// separators are one in the name of a Python package (PEP 503).
var separators = regexp.MustCompile(`[-_.]+`)

// Normal is the one spelling of a Python package's name.
func Normal(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}
