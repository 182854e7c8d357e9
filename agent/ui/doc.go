// Package ui is a person's terminal: lines that stay, rows of progress that
// are redrawn below them, and the card at the end.
//
// It promises that a program which draws on the same terminal is never drawn
// over: rows are shown only while that program rests at the start of a line, and
// a line that comes in the middle of its progress bar is inserted above the bar;
// that no terminal mode is ever set and the cursor is never hidden, so that
// nothing is left behind even by SIGKILL but rows that are out of date; and that
// text from outside cannot send escape sequences. It leaves what to show, and
// when, to its caller.
//
// Known weaknesses: what is typed before the program starts is echoed into the
// rows by the terminal itself; and a terminal that does not rewrap its lines loses
// as many of them, when it is made narrower, as the rows would have wrapped to.
package ui
