// Package confine keeps a child from what is not its own, though it is the same user
// as the agent: files by Landlock, the agent's limits and priorities by a seccomp filter.
//
// It promises that a private path which is not named in Plan.Open cannot be read,
// written, renamed or replaced by the child or by anything that it starts, that its
// signals and debuggers reach nobody but its own descendants where the kernel knows
// how (Signals), and that everything else is left as the file system's own rights
// have it. It leaves what is private to its caller, and addresses to the network.
//
// Landlock's rules only allow, and hold for whole trees. What is private is therefore
// cut out: each folder above it is replaced by the entries that it has, so the child
// makes no new ones there. Folders that it must be able to make files in (Policy.Whole)
// are never taken apart; what is private below one stays reachable, and is named.
package confine
