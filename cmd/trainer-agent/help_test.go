package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestEveryCommandHasTwoExamplesThatParse: an example that is wrong is worse than
// none.
func TestEveryCommandHasTwoExamplesThatParse(t *testing.T) {
	parser, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		t.Run(command.Name, func(t *testing.T) {
			examples := examplesOf(command)
			if len(examples) < 2 {
				t.Fatalf("%d examples in %q", len(examples), command.Detail)
			}
			for _, example := range examples {
				parser, err := newParser()
				if err != nil {
					t.Fatal(err)
				}
				words := shellWords(t, example)
				parsed, err := parser.Parse(words)
				if strings.Contains(example, "docker run") && strings.Contains(fmt.Sprint(err), "no such file") {
					continue // a path of the image
				}
				if err != nil {
					t.Errorf("%s: %v", example, err)
				} else if parsed.Selected().Name != command.Name {
					t.Errorf("%s is an example of %s", example, parsed.Selected().Name)
				}
			}
		})
	}
}

// examplesOf takes the lines below "Examples:", joined where a backslash ends them.
func examplesOf(command *kong.Node) (examples []string) {
	_, text, _ := strings.Cut(command.Detail, "Examples:\n")
	text = strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\\\n", " ")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "  ") {
			break
		}
		examples = append(examples, strings.TrimSpace(line))
	}
	return examples
}

// shellWords are the arguments of trainer-agent in a shell's line: what stands
// before it (docker run, kubectl exec) and redirections are the shell's.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	if _, list, found := strings.Cut(line, "CMD "); found { // of a Dockerfile
		var words []string
		if err := json.Unmarshal([]byte(list), &words); err != nil || len(words) == 0 || words[0] != "trainer-agent" {
			t.Fatalf("no command of ours: %s (%v)", line, err)
		}
		return words[1:]
	}
	_, rest, found := strings.Cut(line+" ", "trainer-agent ")
	if !found {
		t.Fatalf("no command of ours: %s", line)
	}
	if strings.Contains(line, "--entrypoint trainer-agent ") {
		_, rest, _ = strings.Cut(rest, " ") // the image
	}
	var words []string
	word, quote, begun := "", rune(0), false
	for _, r := range rest {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case strings.ContainsRune(" >|&)", r):
			if word != "" || begun {
				words = append(words, word)
			}
			word, begun = "", false
			if r != ' ' {
				return words
			}
		default:
			word += string(r)
		}
	}
	return words
}
