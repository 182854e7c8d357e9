// Package command knows the words of a command line: which program they name, why
// one can't be run, and what $(NAME) stands for.
//
// It promises the answers of a shell, 126 and 127 among them, in sentences that say
// what to do. It leaves starting anything to agent/process.
package command
