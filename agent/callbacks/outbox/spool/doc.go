// Package spool is the outbox's queue on disk: an append-only log of records
// that are read in the order of writing and given up from its front.
//
// It promises that a record which was written and synced is there after a kill
// or a loss of power until Done, that a write which either cut off is not, and
// that damage (a changed byte, a part or a file that is gone) is told apart from
// both and reported as ErrDamaged, after which Salvage finds every record that is
// whole. It leaves to the outbox what the bytes of a record mean, which records
// take the place of others, and who calls when: but for Sync, a Spool is not for
// several goroutines at once.
//
// # Files
//
//	{first}.seg   records from sequence {first} on, one frame each (frame.go)
//	cursor        what was done, what was written, how many records wait (cursor.go)
//
// A write is one write(2) into blocks that are there already, with zeros in
// them: so a commit is one fdatasync(2) that has no metadata to write, which is
// as little as a durable answer can cost. A B+tree rewrites pages from leaf to
// root, syncs twice and makes its file grow; the same heartbeat took ten times
// as long at the 99th percentile (docs/benchmarks.md).
//
// The cursor is written and not synced. A kill leaves it true, since the page
// cache stays; a loss of power may leave an older one, which is true of an older
// state of the same log: records that were done wait again, under the same
// sequence.
//
// # Space
//
// A segment is deleted when none of its records waits. What a superseded record
// takes is given back with its segment, so the log can be larger than what
// waits: Superseded tells how many there are, for a bound.
package spool
