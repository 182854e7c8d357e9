// Package outbox makes "accepted" mean "delivered": a queue of callbacks on disk
// and the one sender that carries them to the backend (section 4 of the contract).
//
// It promises that a message whose Append returned nil survives a kill of the
// agent, reaches the backend in the order of acceptance, one at a time, with an
// Idempotency-Key that never changes, and that the final message comes last; it
// never makes its caller wait for the backend, except for AppendAndWait, which
// is asked to. It leaves to others what a payload means: the relay checks what
// the child says, agent.go decides when a job has ended and what exit code that is.
//
// # Whose turn it is
//
// A message that the backend answers with a server error, again and again, keeps
// nobody else waiting for good: those behind it are tried in its place, and when one
// gets through it is set aside like a refused one (suspect.go). An outage, in which
// none gets through, sets nothing aside. The end of a Flush belongs to the final
// message: when two thirds of the time are over, at the latest a minute before the
// end, it goes ahead of whatever waits. What it overtook is not sent any more, since
// a late heartbeat would make a finished job run again; Export has it.
//
// # Who wrote it
//
// The training script may run as the same user and write to these files. Every
// record carries a MAC over its sequence, kind and body, the final message and its
// mark too, under a key that lies here encrypted by each of the agent's secrets
// (seal.go). What has none is never sent, but for one case: where no secret of an
// earlier life is left, its messages are worth what the script could have told the
// relay itself, so those that it could have are delivered and the others set aside.
// A final message is never taken from a file that the agent did not write. Removing
// messages is not prevented: it is damage like any other, and reported.
//
// # The merging law
//
// Two waiting messages are merged only where that has the same effect on the
// backend as sending one after the other.
//
//  1. AppendLatest(slot): a message that states how things are now (the agent's
//     own heartbeat) takes the place of the one that waits under the same slot:
//     the older is dropped, the newer stands at the end of the queue. So at most
//     one message a slot waits, beside one that has been tried, however long the
//     outage.
//  2. Heartbeats of one epoch: when more than mergeAfter messages wait and the
//     newest of them is a heartbeat of the same epoch, the two become one: the
//     metrics of both, the later value where both have it, everything else of
//     the later. No epoch loses a metric, and heartbeats of different epochs are
//     never merged.
//  3. callback_rejected events: while one waits, later refusals are counted into it.
//
// A message that has been tried once is never changed, since the backend may
// have it already.
//
// # Keys
//
// The key is "{job}:{sequence}". A store begins its sequence at the time of its
// making in milliseconds, so a job that is started again on an empty workspace
// (a new pod after a preemption) cannot repeat the keys of its earlier life and
// have its messages taken for duplicates.
//
// # Bounds
//
// The queue holds at most Options.MaxBytes of bodies, and its files twice that:
// what a merged message takes is given back with its segment (package spool).
// Above three quarters of the bodies' bound, or when the disk is nearly full,
// messages that a later one replaces (heartbeats, progress) are refused with
// ErrFull; events and validations are taken up to the bound itself. The final
// message has its place reserved: the file final.slot is written at full size
// when the store is made, and the final message is written into it in place,
// which needs no new block on a file system that overwrites in place (ext4, xfs,
// tmpfs; not btrfs or zfs).
//
// # What a caller waits for
//
// A write of its message and one fdatasync, which it shares with those who came
// while the one before was under way. Deliveries, tries and retries sync nothing,
// but for once a segment of the queue (1 MiB), so the backend is not felt.
//
// # Weaknesses, known
//
// A delivery that the agent is killed in may be repeated after the restart: the
// backend tells the two apart by the key alone. A 2xx status counts as delivered
// even if its body stalls. When a store is damaged, what can be read of it is
// carried over; the rest is only in the file that was set aside, and of those the
// newest three of a name are kept.
package outbox
