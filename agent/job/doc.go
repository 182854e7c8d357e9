// Package job is what the stages of a job share: the layout of its workspace, the
// run marker, the phases, the events that the agent raises, and the Tracker, the
// one history of the job.
//
// It promises that a callback of the child is taken in once, decoded, and that
// everything that speaks of the job at a moment (terminal, log, metrics endpoint,
// heartbeat, checkpoints, diagnosis) reads the same record of it. It leaves to the
// rooms what they do with that; every room may import it, and it imports none.
package job
