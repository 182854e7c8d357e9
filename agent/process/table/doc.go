// Package table reads the process table and names processes for ever: a signal
// reaches exactly the process that was read or none, also when its number was given
// to another since.
//
// It leaves who answers for whom to agent/process. Only Linux has /proc; elsewhere
// reading is an error, and signals reach nobody.
package table
