// Package autoreport makes heartbeats of the result files that a framework
// writes by itself: Ultralytics' results.csv and Hugging Face's
// trainer_state.json, so that a training script which calls nobody still reports.
//
// It promises the law below, finds the files by looking, so it works where no
// file events do, and reads only what has grown, within fixed bounds. It leaves
// sending to the one that gives it Emit, and validations to the child: a result file
// has no per-class metrics.
//
// # The law: one reporter an epoch
//
//  1. A child that has sent one heartbeat reports its epochs itself: nothing is
//     reported from a file from then on, after a restart of the agent neither.
//  2. Until a child is known to be silent, an epoch is reported from the file
//     when the epoch after it is there too, and Grace has passed, or when the
//     child has ended: the child has had a whole epoch to say it. However late
//     after its row it speaks, it is the only one.
//  3. A child that has let a whole epoch pass like this is silent: each later
//     epoch is reported Grace after its row.
//  4. An epoch of a file is reported once, restarts of the agent included, and
//     only what the job itself wrote: not what an earlier run left in the folder,
//     not what it resumed from, not a second file that counts the epochs again.
//
// What is left is a child that was silent for more than an epoch and then speaks
// of the past. Its word is passed on, since what a trainer says is never dropped;
// for the backend it is what a second heartbeat of one epoch always is, an update
// of that epoch (the outbox's merging law, 2).
package autoreport
