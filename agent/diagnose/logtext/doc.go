// Package logtext reads the last lines that a training process printed: it takes
// off colours and launchers' prefixes, tells the processes apart, shortens floods,
// and finds the exceptions and the crash reports with the lines that followed each.
//
// It promises bounds on what it reads, and that what an exception says is the
// process's own words. Which of them ended the run, and what they mean for the
// person who pays, is left to agent/diagnose.
package logtext
