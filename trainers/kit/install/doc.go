// Package install brings a trainer from a hub to this machine, and checks what it brings.
// It promises that nothing is used whose bytes are not those that the hub signed, and that
// nothing of a trainer runs before it was checked. It leaves running the trainer to `trainer-agent
// run`.
package install
