// Package scan looks at what lies below OUTPUT_DIR: which files and folders are
// checkpoints, whether one of them is still being written, and when it is worth
// looking again.
//
// It promises never to leave OUTPUT_DIR, whatever links the child puts there, never
// to wait for a pipe, and to look in bounded time and memory. It leaves to its caller
// when a checkpoint is complete.
package scan
