package kit

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/static"
)

// secretPattern is a key that is recognised by its form alone, so that a finding
// is a finding.
type secretPattern struct {
	kind string
	form *regexp.Regexp
}

// secretPatterns are compiled on first use.
var secretPatterns = sync.OnceValue(func() []secretPattern {
	form := regexp.MustCompile
	return []secretPattern{
		{"private key", form(`-----BEGIN ([A-Z]+ )*PRIVATE KEY( BLOCK)?-----`)},
		{"AWS access key", form(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`)},
		{"GitHub token", form(`\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})\b`)},
		{"Hugging Face token", form(`\bhf_[A-Za-z0-9]{30,}\b`)},
		{"OpenAI key", form(`\bsk-(proj-)?[A-Za-z0-9_-]{40,}`)},
		{"Google API key", form(`\bAIza[A-Za-z0-9_-]{35}`)},
		{"Slack token", form(`\bxox[abprs]-[A-Za-z0-9-]{10,}`)},
		{"password in an address", form(`\b[a-z][a-z0-9+.-]*://[^/\s:@"'{}$<>]+:[^/\s:@"'{}$<>]{6,}@[a-z0-9]`)},
		{"assigned secret", form(`(?i)\b(aws_secret_access_key|api_?key|secret_?key|access_?token|password)\b["']?\s*[:=]\s*["'][A-Za-z0-9/+_=-]{20,}["']`)},
	}
})

// scan looks at the package with what is here: own rules for files that are more than
// they seem and for secrets, and for malware and vulnerable dependencies the programs that
// are made for it.
func (v *Validator) scan(ctx context.Context) []finding {
	skip := ownFolders
	if v.everyFolder() {
		skip = nil
	}
	found, err := static.Check(v.Dir, skip...)
	if err != nil {
		found = append(found, fault("package.unreadable", "", err.Error()))
	}
	found = append(found, v.proof.before.secrets...)
	found = append(found, v.scanMalware(ctx)...)
	return append(found, v.auditDependencies(ctx)...)
}

// security tells what was found before the package's code ran, and what that code did to
// the package.
func (v *Validator) security(context.Context, *contract.StepResult) []finding {
	found := v.proof.threats
	switch changed, err := v.proof.before.changed(v.Dir, v.everyFolder()); {
	case err != nil:
		found = append(found, fault("package.unreadable", "", textf("the package could not be read: %v", err)))
	case len(changed) > 0:
		found = append(found, with(fault("package.changed", changed[0], "the package's code changed the package while it ran, so what was tried is not what was uploaded: "+
			strings.Join(changed[:min(len(changed), 10)], ", ")), "write below OUTPUT_DIR"))
	}
	return found
}

// scanner runs a program of the machine, which may need its proxies and certificates,
// unlike the package's own code.
func (v *Validator) scanner(ctx context.Context, program string, args ...string) (out, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, v.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	stdout, stderr := &tail{}, &tail{}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = v.Dir, v.Tools.Environ, stdout, stderr, time.Second
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// excluded is no part of an upload; a platform has every folder scanned.
func (v *Validator) excluded() string {
	if v.everyFolder() {
		return "--exclude-dir=^$"
	}
	return `--exclude-dir=/(\.venv|\.git|workspace)$`
}

// scanMalware runs ClamAV, which ends with 1 when it found something.
func (v *Validator) scanMalware(ctx context.Context) []finding {
	program, err := exec.LookPath("clamscan")
	if err != nil {
		return []finding{warning(unscanned+"malware", "", "not scanned for malware: clamscan (ClamAV) is not installed")}
	}
	out, said, err := v.scanner(ctx, program, "--recursive", "--infected", "--no-summary", v.excluded(), v.Dir)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return []finding{fault("malware.found", "", "malware: "+lastLines(out, 5))}
	}
	if err != nil {
		return []finding{warning(unscanned+"malware", "", textf("not scanned for malware: clamscan: %v. %s", err, lastLines(said, 3)))}
	}
	return nil
}

// auditDependencies runs pip-audit, whose answer is a list of packages with the
// vulnerabilities of each.
func (v *Validator) auditDependencies(ctx context.Context) []finding {
	found := unpinned(filepath.Join(v.Dir, requirements))
	program, err := exec.LookPath("pip-audit")
	if err != nil {
		return append(found, warning(unscanned+"dependencies", "", "dependencies not audited: pip-audit is not installed"))
	}
	out, said, err := v.scanner(ctx, program, "--requirement", requirements, "--format", "json", "--progress-spinner", "off", "--no-deps", "--disable-pip")
	var answer struct {
		Dependencies []struct {
			Name, Version string
			SkipReason    string `json:"skip_reason"`
			Vulns         []struct {
				ID          string   `json:"id"`
				FixVersions []string `json:"fix_versions"`
			}
		}
	}
	if wrong := json.Unmarshal([]byte(out), &answer); wrong != nil {
		return append(found, warning(unscanned+"dependencies", "", textf("dependencies not audited: pip-audit: %v. %s", errors.Join(err, wrong), lastLines(said, 3))))
	}
	for _, d := range answer.Dependencies {
		if d.SkipReason != "" {
			found = append(found, warning(unscanned+"dependencies", requirements, textf("%s was not audited: %s", d.Name, d.SkipReason)))
		}
		for _, vulnerability := range d.Vulns {
			fix := "no version has it fixed: leave it out"
			if len(vulnerability.FixVersions) > 0 {
				fix = "it is fixed in " + strings.Join(vulnerability.FixVersions, ", ")
			}
			found = append(found, with(fault("vulnerability."+vulnerability.ID, requirements, textf("%s %s has the known vulnerability %s", d.Name, d.Version, vulnerability.ID)), fix))
		}
	}
	return found
}

const requirements = "requirements.txt"

// unpinned names the requirements whose version is left open.
func unpinned(path string) (found []finding) {
	body, err := readDocument(path)
	if err != nil {
		return []finding{fault("package.unreadable", requirements, err.Error())}
	}
	for i, line := range strings.Split(string(body), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "-") && !strings.Contains(line, "==") {
			found = append(found, finding{
				Rule: "dependency.unpinned", Severity: contract.SeverityNote, File: requirements, Line: i + 1,
				Text: line + " is not pinned with ==, so the same image cannot be built twice", Fix: "pin it",
			})
		}
	}
	return found
}
