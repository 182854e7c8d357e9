// Package terminal joins the agent's own terminal with the pseudo-terminal of its
// child.
//
// It promises that the child's bytes pass unchanged, that keys, size and job control
// keep their meaning, and that the real terminal is given back as it was. Who gets a
// signal otherwise is left to agent/process.
package terminal
