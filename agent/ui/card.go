package ui

import (
	"bytes"
	"slices"
	"strings"
)

// Card is what a person reads at the end.
type Card struct {
	Good     bool
	Title    string
	Details  []string // beside the title
	Sections []Section
}

// Section is one topic of a card.
type Section struct {
	Name  string
	Lines []string
	Loud  bool // worth a colour: what went wrong
	Whole bool // lines are not broken between words
}

// Masked takes secrets out of what others may have written into the card.
func (c Card) Masked(mask func(string) string) Card {
	c.Sections = slices.Clone(c.Sections)
	for i, s := range c.Sections {
		c.Sections[i].Lines = slices.Clone(s.Lines)
		for k, line := range s.Lines {
			c.Sections[i].Lines[k] = mask(line)
		}
	}
	return c
}

const (
	maxCard = 110
	indent  = 13 // columns before a section's text; of a narrow terminal less
)

// print writes the card for a terminal of so many columns. Addresses are never
// cut, so that they can be copied.
func (c Card) print(b *bytes.Buffer, columns int, color bool) {
	room := min(columns, maxCard) - 1
	mark, code := "✓", green
	if !c.Good {
		mark, code = "✗", red
	}
	b.WriteString("\n")
	title := mark + " " + Clean(c.Title)
	rest := Clean(strings.Join(c.Details, " · "))
	lines := wrap(title+"  "+rest, room, "  ")
	first := cut(title, width(lines[0]))
	b.WriteString(paint(first, bold+";"+code, color) + strings.TrimPrefix(lines[0], first) + "\n")
	for _, l := range lines[1:] {
		b.WriteString(l + "\n")
	}
	for _, s := range c.Sections {
		s.print(b, room, color)
	}
	b.WriteString("\n")
}

func (s Section) print(b *bytes.Buffer, room int, color bool) {
	if len(s.Lines) == 0 {
		return
	}
	code, margin := dim, strings.Repeat(" ", indent)
	if s.Loud {
		code = red
	}
	name := s.Name + strings.Repeat(" ", max(1, indent-2-width(s.Name)))
	if room < 60 { // a line of its own: beside it there is no room
		margin = "    "
		b.WriteString("  " + paint(s.Name, code, color) + "\n")
		name = ""
	}
	for _, text := range s.Lines {
		lines := []string{Clean(text)}
		if !s.Whole {
			lines = wrap(lines[0], room-len(margin), "  ")
		}
		for i, line := range lines {
			lead := margin
			if name != "" && i == 0 {
				lead, name = "  "+paint(name, code, color), ""
			}
			b.WriteString(lead + line + "\n")
		}
	}
}

// wrap breaks a text between words; a word that is longer than a line is left
// whole. Lines after the first begin with hang.
func wrap(text string, room int, hang string) []string {
	var lines []string
	line, used := "", 0
	for _, word := range splitKeeping(text) {
		w := width(word)
		if used > 0 && used+width(strings.TrimRight(word, " ")) > room && strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, " "))
			line, used = hang, len(hang)
			word = strings.TrimLeft(word, " ")
			w = width(word)
		}
		line += word
		used += w
	}
	return append(lines, strings.TrimRight(line, " "))
}

// splitKeeping cuts a text into words, each with the spaces that stand before it.
func splitKeeping(text string) (words []string) {
	begin, inWord := 0, false
	for i, r := range text {
		switch {
		case r != ' ':
			inWord = true
		case inWord:
			words = append(words, text[begin:i])
			begin, inWord = i, false
		}
	}
	return append(words, text[begin:])
}
