package logtext

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

var (
	ansi = pattern.Of(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07`)
	// How agent/process/output says that lines are left out.
	leftOut = pattern.Of(`^… \[(\d+) like lines left out\]$`)
)

// Bounds in bytes of one line, and of the oldest and the newest lines: every
// expression is tried on every line. The oldest are the first errors of the ranks.
const (
	maxLine   = 2 << 10
	maxOldest = 32 << 10
	maxNewest = 80 << 10
)

// cleanLines strips colours and what a progress bar showed before, and bounds.
func cleanLines(raw []string) []string {
	var oldest, newest []string
	room := maxNewest
	for ; len(raw) > 0; raw = raw[:len(raw)-1] {
		l := cleanLine(raw[len(raw)-1])
		if room -= len(l) + 1; room < 0 {
			break
		}
		newest = append(newest, l)
	}
	slices.Reverse(newest)
	room = maxOldest
	for _, r := range raw {
		l := cleanLine(r)
		if room -= len(l) + 1; room < 0 {
			break
		}
		oldest = append(oldest, l)
	}
	return append(oldest, newest...)
}

func cleanLine(l string) string {
	l = strings.TrimRight(l, "\r\n \t")
	l = l[strings.LastIndexByte(l, '\r')+1:]
	l = ansi.Replace(l[:min(len(l), 2*maxLine)], "")
	return strings.ToValidUTF8(l[:min(len(l), maxLine)], "")
}

// likeLeftOut: the line stands for so many like the next one.
func likeLeftOut(l string) int {
	if m := leftOut.Groups(l); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
