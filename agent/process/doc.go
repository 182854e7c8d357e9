// Package process is the part of the agent that is PID 1: it starts programs,
// forwards signals, reaps everything, stops what it started and moves output.
//
// It promises that one goroutine waits for processes, so every exit status is
// true and no zombie stays; that every forwardable signal reaches the child
// exactly once, also one that came before the child; that a stop is over within
// its grace plus a fixed bound and leaves no descendant behind; and that no full
// pipe, leaked descriptor or endless line blocks the child or the agent.
//
// Known weaknesses: on systems other than Linux only the child's own group is
// stopped; a descendant of the GPU probe or of another helper that leaves their
// session counts as the main child's; SIGPROF is not passed on, because the Go
// runtime keeps it; and a process in uninterruptible sleep outlives every signal,
// so it is named instead.
//
// It leaves to the caller (agent.go) when to stop and why, what an exit status
// means for the job, and where output goes. No other package may start a process
// while a Supervisor is open: os/exec would lose its exit status to the reaper.
package process
