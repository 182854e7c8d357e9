// Package agent is the life of one job, from a configuration to an exit code:
// prepare, run, finish. agent.go reads top to bottom in that order and wires the
// rooms below it, which do not know each other.
//
// It promises that a healthy training process is never stopped or slowed by a
// fault of ours, and that every job ends in one truthful done. How each thing is
// done is left to the rooms.
package agent
