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

// scan looks for secrets itself, and for malware and vulnerable dependencies with the
// programs that are made for it.
func (v *Validator) scan(ctx context.Context) {
	before, err := look(v.Dir, v.Strict)
	if v.before = before; err != nil {
		v.scanned = append(v.scanned, fault("the package could not be read: %v", err))
	}
	v.scanned = append(v.scanned, before.secrets...)
	v.scanned = append(v.scanned, v.scanMalware(ctx)...)
	v.scanned = append(v.scanned, v.auditDependencies(ctx)...)
}

// security tells what was scanned, and that it is still what was scanned.
func (v *Validator) security(context.Context) []finding {
	found := v.scanned
	switch changed, err := v.before.changed(v.Dir, v.Strict); {
	case err != nil:
		found = append(found, fault("the package could not be read: %v", err))
	case len(changed) > 0:
		found = append(found, fault("the package's code changed the package while it ran, so what was tried is not what was uploaded: %s", strings.Join(changed[:min(len(changed), 10)], ", ")))
	}
	return found
}

// scanner prepares a program of the machine, which may need its proxies and
// certificates, unlike the package's own code.
func (v *Validator) scanner(ctx context.Context, program string, args ...string) (*exec.Cmd, *tail, context.CancelFunc) {
	cmd, stderr, cancel := v.command(ctx, nil, program, args...)
	cmd.Env = v.Environ
	return cmd, stderr, cancel
}

// excluded is no part of an upload; a platform has every folder scanned.
func (v *Validator) excluded() string {
	if v.Strict {
		return "--exclude-dir=^$"
	}
	return `--exclude-dir=/(\.venv|\.git|workspace)$`
}

// scanMalware runs ClamAV, which ends with 1 when it found something.
func (v *Validator) scanMalware(ctx context.Context) []finding {
	program, err := exec.LookPath("clamscan")
	if err != nil {
		return []finding{gap("not scanned for malware: clamscan (ClamAV) is not installed")}
	}
	cmd, stderr, cancel := v.scanner(ctx, program, "--recursive", "--infected", "--no-summary", v.excluded(), v.Dir)
	defer cancel()
	out := &tail{}
	cmd.Stdout = out
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return []finding{fault("malware: %s", lastLines(out.String(), 5))}
	}
	if err != nil {
		return []finding{gap("not scanned for malware: clamscan: %v. %s", err, lastLines(stderr.String(), 3))}
	}
	return nil
}

// auditDependencies runs pip-audit, whose answer is a list of packages with the
// vulnerabilities of each.
func (v *Validator) auditDependencies(ctx context.Context) []finding {
	found := unpinned(filepath.Join(v.Dir, "requirements.txt"))
	program, err := exec.LookPath("pip-audit")
	if err != nil {
		return append(found, gap("dependencies not audited: pip-audit is not installed"))
	}
	cmd, stderr, cancel := v.scanner(ctx, program, "--requirement", "requirements.txt", "--format", "json", "--progress-spinner", "off", "--no-deps", "--disable-pip")
	defer cancel()
	out := &tail{}
	cmd.Stdout = out
	err = cmd.Run()
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
	if wrong := json.Unmarshal(out.Bytes(), &answer); wrong != nil {
		return append(found, gap("dependencies not audited: pip-audit: %v. %s", errors.Join(err, wrong), lastLines(stderr.String(), 3)))
	}
	for _, d := range answer.Dependencies {
		if d.SkipReason != "" {
			found = append(found, gap("requirements.txt: %s was not audited: %s", d.Name, d.SkipReason))
		}
		for _, vulnerability := range d.Vulns {
			fix := "no version has it fixed"
			if len(vulnerability.FixVersions) > 0 {
				fix = "fixed in " + strings.Join(vulnerability.FixVersions, ", ")
			}
			found = append(found, fault("requirements.txt: %s %s has %s (%s)", d.Name, d.Version, vulnerability.ID, fix))
		}
	}
	return found
}

// unpinned names the requirements whose version is left open.
func unpinned(path string) (found []finding) {
	body, err := readDocument(path)
	if err != nil {
		return []finding{fault("%v", err)}
	}
	for i, line := range strings.Split(string(body), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "-") && !strings.Contains(line, "==") {
			found = append(found, note("requirements.txt:%d: %s is not pinned with ==, so the same image cannot be built twice", i+1, line))
		}
	}
	return found
}
