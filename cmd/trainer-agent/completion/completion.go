// Package completion answers a shell's question what may stand at the cursor of a
// command line.
//
// It promises that the answer comes from the parser's own model of commands and
// flags, so that it cannot be out of date. It leaves files, folders and programs
// to the shell, which knows better.
package completion

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Rest says what the shell shall complete by itself, beside the candidates.
type Rest string

// What may stand at the cursor.
const (
	Nothing Rest = "nothing"
	Files   Rest = "files"
	Folders Rest = "folders"
	Program Rest = "program"
)

// Candidate is one word that fits.
type Candidate struct{ Word, Help string }

// Answer writes the candidates for the last of words, one a line with its help
// after a tab, and in the last line the Rest.
func Answer(w io.Writer, app *kong.Application, words []string) error {
	found, rest := Complete(app, words)
	for _, c := range found {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", c.Word, c.Help); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, ":"+rest)
	return err
}

// Complete finds what may stand in place of the last of words, which are those
// after the program's name. Bash hands over --flag=value as three words.
func Complete(app *kong.Application, words []string) ([]Candidate, Rest) {
	if len(words) == 0 {
		words = []string{""}
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	line := line{node: app.Node}
	for i, word := range before {
		if line.take(word) {
			continue
		}
		if word == "--" && i == len(before)-1 {
			return nil, Program
		}
		return nil, Files // of another program
	}
	if line.flag != nil {
		return line.values(line.flag.Value, "", strings.TrimPrefix(current, "="))
	}
	if name, value, ok := strings.Cut(current, "="); ok && strings.HasPrefix(name, "--") {
		if f := line.find(name); f != nil {
			return line.values(f.Value, name+"=", value)
		}
	}
	if strings.HasPrefix(current, "-") {
		return line.flags(current), Nothing
	}
	return line.arguments(current)
}

// line is a command line as far as it has been read.
type line struct {
	node  *kong.Node
	flag  *kong.Flag // whose value comes next
	taken int        // positional arguments
}

// take reads one word. It returns false when the rest of the line belongs to
// another program.
func (l *line) take(word string) bool {
	switch {
	case l.flag != nil:
		if word != "=" {
			l.flag = nil
		}
	case word == "--":
		return false
	case strings.HasPrefix(word, "-"):
		if f := l.find(word); f != nil && !f.IsBool() && !f.IsCounter() {
			l.flag = f
		}
	default:
		for _, child := range l.node.Children {
			if child.Name == word || slices.Contains(child.Aliases, word) {
				l.node = child
				return true
			}
		}
		if l.passes() {
			return false
		}
		l.taken++
	}
	return true
}

// passes reports whether the next argument and all after it are another program's.
func (l *line) passes() bool {
	return l.taken < len(l.node.Positional) && l.node.Positional[l.taken].Passthrough
}

func (l *line) find(word string) *kong.Flag {
	for _, group := range l.node.AllFlags(true) {
		for _, f := range group {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func (l *line) flags(prefix string) (found []Candidate) {
	for _, group := range l.node.AllFlags(true) {
		for _, f := range group {
			if name := "--" + f.Name; strings.HasPrefix(name, prefix) {
				found = append(found, Candidate{name, f.Help})
			}
		}
	}
	return found
}

func (l *line) arguments(prefix string) (found []Candidate, rest Rest) {
	for _, child := range l.node.Children {
		if !child.Hidden && strings.HasPrefix(child.Name, prefix) {
			found = append(found, Candidate{child.Name, child.Help})
		}
	}
	if l.passes() {
		return []Candidate{{"--", "and then the command"}}, Program
	}
	if l.taken < len(l.node.Positional) {
		return l.values(l.node.Positional[l.taken], "", prefix)
	}
	return found, Nothing
}

// values are what a flag or an argument takes: its enum, or what its tag
// `complete` says, which is a list of words, "files" or "folders".
func (l *line) values(v *kong.Value, lead, prefix string) (found []Candidate, _ Rest) {
	list := v.Tag.Get("complete")
	switch {
	case list == string(Files), list == "" && v.Tag.Type == "path":
		return nil, Files
	case list == string(Folders):
		return nil, Folders
	case list == "":
		list = v.Enum
	}
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if strings.HasPrefix(word, prefix) {
			found = append(found, Candidate{lead + word, ""})
		}
	}
	return found, Nothing
}
