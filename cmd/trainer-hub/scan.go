package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/scan"
	"github.com/vision-platform/trainer-agent/trainers/kit"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// scanners are where the hub's scanners are.
type scanners struct {
	Clamd      string `env:"TRAINER_HUB_CLAMD" placeholder:"ADDRESS" help:"clamd, which looks for malware: unix:/run/clamav/clamd.ctl or HOST:PORT."`
	ClamdMax   int64  `env:"TRAINER_HUB_CLAMD_MAX" default:"25" placeholder:"MIB" help:"What clamd reads of a file, in MiB: the smaller of MaxFileSize and StreamMaxLength in its clamd.conf. A larger file counts as not scanned."`
	Advisories string `env:"TRAINER_HUB_ADVISORIES" placeholder:"FILE" type:"path" help:"Known vulnerabilities of Python packages, as \"trainer-hub vulndb sync\" fetches them."`
}

// tools opens the scanners. What is not set is missing and refuses packages later, with
// the reason; what is set must be readable.
func (s scanners) tools() (t scan.Tools, err error) {
	t.Clamd, t.ClamdMax = s.Clamd, s.ClamdMax<<20
	if s.Advisories != "" {
		t.Vulnerabilities = &scan.Database{Path: s.Advisories}
		_, err = t.Vulnerabilities.Current()
	}
	return t, err
}

// scanCmd scans a package as the hub does with an upload, before any of its code runs.
type scanCmd struct {
	scanners
	Package string `arg:"" type:"path" help:"Folder of the package, or its zip."`
	JSON    bool   `name:"json" help:"Print the reports as JSON."`
}

// Help has the examples.
func (scanCmd) Help() string {
	return `None of the package's code runs. Ends with 1 when something refuses the package or a scanner is
missing. Examples:

  trainer-hub scan --clamd unix:/run/clamav/clamd.ctl --advisories pypi.zip trainer.zip`
}

// Run scans.
func (c scanCmd) Run(ctx context.Context) error {
	tools, err := c.tools()
	if err != nil {
		return err
	}
	dir, found, remove, err := unpacked(c.Package)
	if err != nil {
		return err
	}
	defer remove()
	var reports []contract.StepReport
	if len(found) > 0 {
		reports = []contract.StepReport{{Name: "archive", Status: contract.StepFailed, Findings: found}}
	} else {
		reports = scan.Run(ctx, dir, tools)
	}
	return c.print(reports)
}

// unpacked is a folder as it is, or a zip in a folder that is removed.
func unpacked(path string) (dir string, found []contract.Finding, remove func(), err error) {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return path, nil, func() {}, err
	}
	folder, err := scratch.Make("scan")
	if err != nil {
		return "", nil, nil, err
	}
	remove = func() { _ = folder.Close() }
	dir, found, err = archive.Unpack(path, filepath.Join(folder.Dir, "package"), archive.Default)
	if err != nil {
		remove()
	}
	return dir, found, remove, err
}

func (c scanCmd) print(reports []contract.StepReport) error {
	failed := false
	for _, r := range reports {
		failed = failed || r.Status != contract.StepPassed
		if c.JSON {
			continue
		}
		fmt.Printf("%-7s %-13s %5.1f s\n", r.Status, r.Name, r.Seconds)
		for _, f := range r.Findings {
			fmt.Println("        " + kit.Issue(f))
		}
	}
	if c.JSON {
		if err := json.NewEncoder(os.Stdout).Encode(reports); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("the package does not pass")
	}
	return nil
}

// vulndbCmd keeps the known vulnerabilities.
type vulndbCmd struct {
	Sync vulndbSyncCmd `cmd:"" help:"Fetch what is known of Python packages from OSV; once a day is enough."`
}

type vulndbSyncCmd struct {
	URL  string `default:"${advisories}" help:"OSV's archive, or a mirror of it."`
	File string `arg:"" type:"path" default:"pypi.zip" help:"File to write. It is replaced only by an archive that could be read whole."`
}

// Run fetches.
func (c vulndbSyncCmd) Run(ctx context.Context) error {
	if _, err := os.Stat(filepath.Dir(c.File)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder of %s is not there", c.File)
	}
	a, err := scan.Sync(ctx, c.URL, c.File)
	if err != nil {
		return err
	}
	fmt.Printf("%d advisories in %s, the newest of %s\n", a.Count, c.File, a.Newest.UTC().Format("2006-01-02"))
	return nil
}
