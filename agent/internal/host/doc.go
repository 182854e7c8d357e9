// Package host reads what the kernel says about this machine and this container:
// cgroups (v1 and v2), memory, processor time and stalls, file systems, limits of
// a process, and which boot this is.
//
// It promises one definition of memory in use for the whole agent, that a value
// which cannot be read is reported as absent and never as zero, and that a reading
// costs a dozen small files. It leaves what the numbers mean, and when to warn, to
// the rooms that ask.
package host
