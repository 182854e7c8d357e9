package diagnose

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// refusal is a line in which the dynamic linker or a shell says why it ran nothing.
type refusal struct {
	like          *pattern.Pattern
	code          contract.Code
	message, hint string // "{line}" is the whole line, "${1}" what the expression captured
}

// ofLinker ends a program before its first instruction, with code 127 or 1.
var ofLinker = []refusal{
	{
		like: pattern.Of(`: version .?GLIBC(?:XX)?_[\d.]+.? not found \(required by `), code: contract.CodeTrainingFailed, message: "{line}",
		hint: "It was built for a newer system than the image's: use a newer base image, or a version built for this one.",
	}, {
		like: pattern.Of(`: (?:symbol lookup|relocation) error: |: error while loading shared libraries: |^Error (?:loading shared library|relocating) `), code: contract.CodeTrainingFailed, message: "{line}",
		hint: "A compiled library is missing, is damaged, or does not fit another one that it is linked with: install versions that were built for each other, or use an image that has them.",
	},
}

// ofShell go with code 126 and 127, cannotRun with the first and notThere with the other one:
// beside another code a shell speaks of a file that was no command.
var ofShell = []refusal{
	{ // the sign before the end of the line is a part of the name then
		like: pattern.Of(`\\r['’]?: No such file|\^M: bad interpreter`), code: contract.CodeConfigInvalid,
		message: "A script has the line ends of Windows: {line}", hint: "Save it with the line ends of Unix (LF).",
	}, {
		like: pattern.Of(`: bad interpreter: |: cannot execute: required file not found$`), code: contract.CodeConfigInvalid,
		message: "What runs a script or a program is not in the image: {line}", hint: "A script names it in its first line (#!), a program was linked with it: install it, or start the script with an interpreter that is there.",
	},
}

var cannotRun = []refusal{
	{
		like: pattern.Of(`[Ee]xec format error|: cannot execute binary file`), code: contract.CodeConfigInvalid,
		message: "A file is no program for this machine: {line}", hint: "Build it for this machine's processor; a script needs a first line such as #!/bin/sh.",
	}, {
		like: pattern.Of(`(?:: line \d+: |sh: (?:\d+: )?|failed to run command |\bexec )['‘"]?[^\s:'’"]{1,200}['’"]?(?: failed)?: Permission denied$`), code: contract.CodeConfigInvalid,
		message: "A file may not be executed: {line}", hint: "Set its file mode in the image (chmod +x), or start it with its interpreter.",
	},
}

var notThere = []refusal{
	{
		like: pattern.Of(`: ([^\s:]{1,200}): (?:command )?not found$|: command not found: (\S{1,200})$|: line \d+: ([^\s:]{1,200}): No such file or directory$|` +
			`(?:\benv: (?:can't execute )?|failed to run command |\bexec |(?:^|/)(?:nice|xargs|nohup|time|setsid|taskset|numactl): )['‘"]?([^\s:'’"]{1,200})['’"]?(?: failed)?: No such file or directory$`), code: contract.CodeConfigInvalid,
		message: "A command was not found: ${1}${2}${3}${4}.", hint: "Check the trainer's command and the scripts that it runs, and what the image has installed.",
	},
}

// refused looks for the last such line: a script may have gone on after an earlier one.
func refused(lines []logtext.Line, tables ...[]refusal) *contract.Failure {
	for _, l := range slices.Backward(lines) {
		for _, r := range slices.Concat(tables...) {
			if said := r.like.Expand(l.Text, r.message); said != nil {
				line := withStop(trimStop(clip(l.Text)))
				return contract.Failf(r.code, "%s", strings.ReplaceAll(said[0], "{line}", line)).WithHint("%s", r.hint)
			}
		}
	}
	return nil
}
