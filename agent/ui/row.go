package ui

import (
	"fmt"
	"math"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Row is one line of progress.
type Row struct {
	Label string
	// Done of Total, in any unit; without a Total there is no bar.
	Done, Total int64
	// Parts say more, the most telling first: what does not fit is left out.
	Parts []string
}

const (
	maxColumns = 110 // a longer line is harder to read, not better
	maxBar     = 30
	minBar     = 8
	maxLabel   = 24
)

// renderAll lays rows out under each other, each on one line.
func renderAll(rows []Row, columns int, color bool) []string {
	label := 0
	for _, r := range rows {
		label = max(label, min(maxLabel, width(r.Label)))
	}
	label = min(label, max(6, columns/3))
	lines := make([]string, 0, len(rows))
	for _, r := range rows {
		lines = append(lines, r.render(label, min(columns, maxColumns)-1, color))
	}
	return lines
}

// render fills room columns at most: the label, a bar, percent, and as many of the
// parts as fit.
func (r Row) render(label, room int, color bool) string {
	text := cut(Clean(r.Label), label)
	left := text + strings.Repeat(" ", max(0, label-width(text)))
	free, percent := room-label, ""
	if r.Total > 0 {
		percent = percentage(r.Done, r.Total)
		free -= 1 + len(percent)
	}
	bar := max(minBar, min(maxBar, room/4)) // of the terminal alone, so that it does not jump
	if r.Total > 0 && free-1 >= bar {
		free -= 1 + bar
	} else {
		bar = 0
	}
	var parts strings.Builder
	for i, p := range r.Parts {
		p = Clean(p)
		space := "  "
		if i > 0 {
			space = " · "
		}
		if width(p)+width(space) > free {
			if i == 0 && bar == 0 && free > len(space) {
				parts.WriteString(space + cut(p, free-len(space)))
			}
			break
		}
		parts.WriteString(space + p)
		free -= width(p) + width(space)
	}
	out := paint(left, bold, color)
	if bar > 0 {
		out += " " + drawBar(r.Done, r.Total, bar, color)
	}
	if percent != "" {
		out += " " + percent
	}
	return out + parts.String()
}

func percentage(done, total int64) string {
	return fmt.Sprintf("%3.0f%%", math.Floor(100*max(0, min(1, float64(done)/float64(total)))))
}

func drawBar(done, total int64, columns int, color bool) string {
	full := int(float64(columns) * max(0, min(1, float64(done)/float64(total))))
	return paint(strings.Repeat("━", full), green, color) + paint(strings.Repeat("─", columns-full), dim, color)
}

// width is how many columns a text takes, without its escape sequences.
func width(text string) int { return runewidth.StringWidth(plainText(text)) }

// cut shortens a text to columns.
func cut(text string, columns int) string {
	if width(text) <= columns {
		return text
	}
	return runewidth.Truncate(text, max(0, columns), "…")
}
