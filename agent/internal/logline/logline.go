// Package logline knows the lines that training processes print: which launcher's
// prefix a line carries, whether it opens an error, and whether two lines differ
// only in their numbers.
//
// It promises to be cheap: every line of a child's output passes through it, so
// nothing here uses a regular expression. What a line means is left to
// agent/diagnose.
package logline

import "strings"

// Traceback is how Python begins to print an exception.
const Traceback = "Traceback (most recent call last)"

// openings are the words by which runtimes announce their end. A line that only
// mentions an error in passing costs a few lines of memory and nothing else.
var openings = []string{
	Traceback, "Fatal Python error", "terminate called", "*** Error in", "*** stack smashing", "CUDA error", "NCCL error",
	"double free", "Segmentation fault", "Assertion", "Check failed", "No space left on device", "out of memory", "Out of memory",
	"oom_kill", "oom-kill", "Killed",
}

// OpensError reports that the line begins what a process prints when it fails.
func OpensError(l string) bool {
	for _, o := range openings {
		if strings.Contains(l, o) {
			return true
		}
	}
	if isGlogError(l) {
		return true
	}
	word, _, _ := strings.Cut(l, ":")
	return len(word) < 80 && !strings.ContainsRune(word, ' ') && (strings.HasSuffix(word, "Error") || strings.HasSuffix(word, "Exception"))
}

// isGlogError: "E0305 14:02:11.9 88 …" and "[rank3]:[E ProcessGroupNCCL.cpp:1182]".
func isGlogError(l string) bool {
	l = strings.TrimPrefix(l, "[")
	return len(l) > 2 && (l[0] == 'E' || l[0] == 'F') && (l[1] == ' ' || l[1] >= '0' && l[1] <= '9') && strings.Contains(l, ".cpp:")
}

// Continues reports that the line goes on with what the lines before it began, as the source
// lines and frames of a traceback do.
func Continues(l string) bool {
	return l == "" || l[0] == ' ' || l[0] == '\t' || l[0] == '|' || strings.HasPrefix(l, "│") || strings.HasPrefix(l, "frame #")
}
