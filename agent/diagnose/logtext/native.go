package logtext

import (
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

var (
	thrown = pattern.Of(`terminate called after throwing an instance of '([^']+)'`)
	what   = pattern.Of(`^\s*what\(\):\s*(.*)$`)
	// How glibc, glog, LLVM, Qt, the assert macro and Python's own runtime end a process.
	aborting = pattern.Of(`^\*\*\* Error in ` + "`[^']*'" + `: (.+?)(?:: 0x[0-9a-f]+ \*\*\*)?$` +
		`|((?:free|malloc|realloc|munmap_chunk|calloc)\(\): .+|double free or corruption.*|corrupted (?:size|double-linked).*|\*\*\* (?:stack smashing|buffer overflow) detected \*\*\*.*)` +
		`|^F\d{4} .*\] ?(.+)$|^\S+: F (.+)$|(LLVM ERROR: .+)|^(qt\.qpa\.plugin: .+|This application failed to start because .+)` +
		`|^(\S+: \S+:\d+: .*Assertion .+ failed\.?)$|^(Fatal Python error: .+)$|(Could not load library .+)`)
)

// onlySignal: Python's runtime names the signal, which the exit status tells too.
var onlySignal = pattern.Of(`^Fatal Python error: (?:Aborted|Segmentation fault|Bus error|Floating.point exception|Illegal instruction)`)

// maxWhat bounds the lines of a C++ exception's text.
const maxWhat = 8

// nativeEnds are the reports of a crash in native code, as exceptions.
func nativeEnds(lines []string) []Exception {
	var out []Exception
	kind := ""
	for i, l := range lines {
		if m := thrown.Groups(l); m != nil {
			kind = m[1]
			continue
		}
		if m := what.Groups(l); m != nil {
			end := i + 1
			for end < len(lines) && end < i+maxWhat && whatGoesOn(m[1], lines[end]) {
				end++
			}
			said := strings.TrimSpace(strings.Join(append([]string{m[1]}, lines[i+1:end]...), "\n"))
			out = append(out, Exception{Kind: kind, Message: said, Block: lines[max(0, i-1):end], Native: true, head: i, end: end - 1})
			kind = ""
			continue
		}
		if m := aborting.Groups(l); m != nil && !onlySignal.Match(l) {
			out = append(out, Exception{Message: strings.TrimSpace(strings.Join(m[1:], "")), Block: lines[i : i+1], Native: true, head: i, end: i})
		}
	}
	return out
}

// whatGoesOn: an empty first line is followed by the text; otherwise the text ends
// with its paragraph.
func whatGoesOn(first, l string) bool {
	if announces.Match(first) || blank(first) {
		return !strings.HasPrefix(l, "---") && !strings.HasPrefix(l, "frame #")
	}
	return l != "" && !strings.HasPrefix(l, "frame #") && !strings.HasPrefix(l, "Exception raised from") && !record.Match(l)
}
