package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

var (
	ncclTimeout  = re(`Watchdog caught collective operation timeout|Some NCCL operations have failed or timed out|Timed out waiting \d+ms for (?:send|recv|recv|all)|collective operation timeout: WorkNCCL|wait timeout after \d+ms|Heartbeat monitor timed out`)
	ncclError    = re(`NCCL error|ncclUnhandledCudaError|ncclSystemError|ncclInternalError|ncclRemoteError|ncclInvalidUsage`)
	workerKilled = re(`DataLoader worker \(pid(?:\(s\))?:? ?([\d, ]+)\) (?:is killed by signal: (\w+)|exited unexpectedly)`)
	rankSignal   = re(`exitcode\s*:\s*-(\d+) \(pid|failed \(exitcode: -(\d+)\)|terminated with signal (SIG\w+)`)
)

// symptoms are what a victim prints, when nothing tells the cause.
func symptoms(c *inquest) (*contract.Failure, bool) {
	if l, ok := c.factOf(ncclTimeout); ok {
		return found(contract.Failf(contract.CodeNCCLTimeout, "The GPUs waited for each other until the time limit of NCCL%s.", c.afterEpoch()).
			WithHint("One rank stopped answering: look in the log for what it did last. Run it again; on one machine each time, suspect that machine.").
			WithEvidence(l).WithEvidence(c.quote()...))
	}
	if l, ok := c.factOf(workerKilled); ok {
		return found(c.deadWorker(l))
	}
	if l, ok := c.factOf(ncclError); ok {
		return found(contract.Failf(contract.CodeTrainingFailed, "The communication between the GPUs failed (NCCL).").
			WithHint("Set NCCL_DEBUG=WARN and look at the first rank that failed.").
			WithEvidence(l).WithEvidence(c.quote()...))
	}
	for _, x := range c.exceptions {
		return found(contract.Failf(contract.CodeTrainingFailed, "%s%s.", trimStop(x.short()), place(x)).
			WithHint("Another process of the job ended first; the log may tell why.").WithEvidence(x.quote()...))
	}
	if l, ok := c.lineLike(rankSignal); ok && c.Signal == 0 {
		return found(contract.Failf(contract.CodeTrainingFailed, "A process of the training was ended by %s.", rankSignalName(l)).
			WithHint("With SIGKILL, suspect memory: use fewer workers{num_workers} or ask for more.").WithEvidence(l).WithEvidence(last(c.lines, 10)...))
	}
	return nil, false
}

// factOf looks in the exceptions first, then in the lines.
func (c *inquest) factOf(fact *pattern) (string, bool) {
	for _, x := range c.exceptions {
		if m := fact.FindString(x.text()); m != "" {
			return m, true
		}
	}
	return c.lineLike(fact)
}

// deadWorker: killed workers most often mean memory, but only an account that
// was read can say so.
func (c *inquest) deadWorker(fact string) *contract.Failure {
	how := "exited unexpectedly"
	if m := workerKilled.FindStringSubmatch(fact); m != nil && m[2] != "" {
		how = "was ended by a signal (" + m[2] + ")"
	}
	hint := "Memory is the usual reason: use fewer workers{num_workers} or ask for more memory."
	if k := c.System.OOMKills; k != nil && *k == 0 {
		hint = "The kernel killed nothing for memory. Run once with NUM_WORKERS=0 to see the worker's own error."
	}
	return contract.Failf(contract.CodeTrainingFailed, "A worker of the data loader %s.", how).
		WithHint("%s", c.Settings.fill(hint)).WithEvidence(fact).WithEvidence(c.quote()...)
}

// ownReport: the trainer itself said failed, and nothing above knows better.
func ownReport(c *inquest) (*contract.Failure, bool) {
	r := c.ChildDone
	if r == nil || r.Status != contract.StatusFailed {
		return nil, false
	}
	message := r.Error
	if message == "" {
		message = "The training script reported a failure without saying why"
	}
	for _, table := range [][]cause{machineCauses, inputCauses} {
		if f := c.match(table, exception{message: message}); f != nil {
			return found(f)
		}
	}
	return found(contract.Failf(contract.CodeTrainingFailed, "%s.", trimStop(message)).WithEvidence(last(c.lines, 10)...))
}
