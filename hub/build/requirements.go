package build

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/static"
)

const (
	requirementsFile = "requirements.txt"
	maxRequirements  = 1 << 20
	maxLines         = 1000
	maxLine          = 16 << 10 // bytes of a requirement with its hashes
)

var (
	hashes = regexp.MustCompile(`(?:\s+--hash=sha256:[0-9a-f]{64})+$`)
	// requirement is what a wheel can be chosen by (PEP 508 without addresses): a name, extras,
	// versions and a condition.
	requirement = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*` +
		`(?:\[[A-Za-z0-9._, -]*\]\s*)?` +
		`(?:(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+\s*,?\s*)*` +
		`(?:;[A-Za-z0-9_.'"<>=!~, ()-]*)?$`)
	option = regexp.MustCompile(`\s-`)
)

// readRequirements reads a package's requirements. None are no error.
func readRequirements(root *os.Root) ([]string, []contract.Finding, error) {
	file, err := root.Open(requirementsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the requirements: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxRequirements+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the requirements: %w", err)
	}
	lines, found := Requirements(string(text))
	return lines, found, nil
}

// Requirements are the lines of a requirements.txt that pip may be given outside of the
// isolation. Options, addresses, paths and variables are refused: they would have the hub
// ask hosts, and read files, that the package's author chooses.
func Requirements(text string) (lines []string, found []contract.Finding) {
	if len(text) > maxRequirements {
		return nil, []contract.Finding{refused(0, fmt.Sprintf("it has more than %d bytes", maxRequirements))}
	}
	number, first, pending := 0, 0, ""
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		if pending == "" {
			first = number
		}
		for _, part := range static.Parts(line) {
			part, _, _ = strings.Cut(part, " #")
			pending += strings.TrimSpace(part)
		}
		if len(pending) > maxLine {
			return lines, append(found, refused(first, fmt.Sprintf("this requirement has more than %d bytes", maxLine)))
		}
		if before, more := strings.CutSuffix(pending, `\`); more {
			pending = before + " "
			continue
		}
		lines, found = take(lines, found, pending, first)
		pending = ""
	}
	lines, found = take(lines, found, strings.TrimSpace(pending), first)
	if len(lines) > maxLines {
		found = append(found, refused(0, fmt.Sprintf("it has more than %d requirements", maxLines)))
	}
	return lines, found
}

func take(lines []string, found []contract.Finding, line string, number int) ([]string, []contract.Finding) {
	if line == "" {
		return lines, found
	}
	pins := hashes.FindString(line)
	if bare := strings.TrimSuffix(line, pins); !requirement.MatchString(bare) || option.MatchString(bare) {
		return lines, append(found, refused(number, "this line is no name with versions"))
	}
	return append(lines, line), found
}

func refused(line int, text string) contract.Finding {
	return contract.Finding{
		Rule: "dependencies.form", Severity: contract.SeverityError, File: requirementsFile, Line: line, Text: text,
		Fix: "write NAME==VERSION, one a line; options, addresses and paths are not followed",
	}
}
