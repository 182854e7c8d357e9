// Package runner starts the commands of a trainer package's validation, at one of several
// levels of isolation: as processes of this machine, or in namespaces of their own without
// network, credentials or other people's files. It promises that a command ends within its
// limits of time, memory, processes and disk, with everything that it started, and that a
// level which this machine cannot give is an error and never quietly a lower one. It leaves
// what the commands are and what their output means to trainers/kit.
package runner
