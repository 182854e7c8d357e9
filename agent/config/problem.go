package config

import (
	"fmt"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// Problem is one thing that is wrong, or odd, with the environment.
type Problem struct {
	Variable string `json:"variable"`
	Value    string `json:"value,omitempty"` // masked when secret
	Expected string `json:"expected"`
	Example  string `json:"example,omitempty"`
	Warning  bool   `json:"warning,omitempty"`
}

// String is one line: the variable, its value, what is expected and an example.
func (p Problem) String() string {
	if p.Warning {
		return p.Variable + ": " + p.Expected
	}
	text := p.Variable + " is not set: expected " + p.Expected
	if p.Value != "" {
		text = fmt.Sprintf("%s=%s: expected %s", p.Variable, shorten(p.Value), p.Expected)
	}
	if p.Example != "" {
		text += ", for example " + p.Variable + "=" + p.Example
	}
	return text
}

// A value in a message is there to be recognised, not to be read whole.
func shorten(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > 80 {
		return fmt.Sprintf("%q…", string(r[:80]))
	}
	return fmt.Sprintf("%q", s)
}

// Failure turns the errors among problems into one CONFIG_INVALID, or nil.
func Failure(problems []Problem) error {
	var lines []string
	for _, p := range problems {
		if !p.Warning {
			lines = append(lines, p.String())
		}
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return contract.Failf(contract.CodeConfigInvalid, "%s.", lines[0]).WithHint("Set it and start the job again.").WithEvidence(lines...)
	}
	return contract.Failf(contract.CodeConfigInvalid, "%d environment variables are wrong: %s.", len(lines), strings.Join(lines, "; ")).
		WithHint("trainer-agent check prints them as a table.").WithEvidence(lines...)
}
