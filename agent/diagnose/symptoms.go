package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

var (
	ncclTimeout  = pattern.Of(`Watchdog caught collective operation timeout|[Cc]ollective operation timeout|Some NCCL operations have failed or timed out|Timed out waiting \d+ms for (?:send|recv|all)|wait timeout after \d+ms|[Hh]eartbeat monitor timed out|watchdog got stuck for \d+|due to ProcessGroupNCCL watchdog hang|collective timeout from|ncclTimeout|monitoredBarrier`)
	gloo         = pattern.Of(`gloo/transport/`)
	ncclError    = pattern.Of(`NCCL error|ncclUnhandledCudaError|ncclSystemError|ncclInternalError|ncclRemoteError|ncclInvalidUsage`)
	cutLink      = pattern.Of(`Connection (?:reset|closed) by|[Cc]onnection abort|Connection reset|DistNetworkError|ncclRemoteError|remote process exited`)
	ncclWarning  = pattern.Of(`NCCL WARN (?:\[[^\]]*\] )?([^\n]+)`)
	brokenPool   = pattern.Of(`BrokenProcessPool|TerminatedWorkerError`)
	lastError    = pattern.Of(`Last error:\s*\n?\s*([^\n]+)`)
	workerKilled = pattern.Of(`DataLoader worker \(pid(?:\(s\))?:? ?([\d, ]+)\) (?:is killed by signal: ([A-Za-z ]+)|exited unexpectedly)|background workers are no longer alive`)
)

// symptoms are what a victim prints, when nothing tells the cause.
func symptoms(c findings) (*contract.Failure, bool) {
	if l, ok := factOf(c, ncclTimeout); ok {
		who, whose := "GPUs", "NCCL"
		if says(c, gloo) {
			who, whose = "processes", "gloo"
		}
		return found(contract.Failf(contract.CodeNCCLTimeout, "The %s waited for each other until the time limit of %s%s.", who, whose, afterEpoch(c.Evidence)).
			WithHint("One rank stopped answering: look in the log for what it did last. Run it again; on one machine each time, suspect that machine.").
			WithEvidence(l).WithEvidence(quote(c)...))
	}
	if l, ok := workerEnd(c); ok {
		return found(deadWorker(c, l))
	}
	if l, ok := factOf(c, ncclError); ok {
		return found(ncclFailure(c).WithEvidence(l).WithEvidence(quote(c)...))
	}
	if f := interruption(c); f != nil {
		return f, true
	}
	for _, x := range c.exceptions {
		switch {
		case interrupted(x):
		case lost(x):
			return found(partnerLost(c, x))
		default: // of a thread or a destructor
			return found(spoken(c, x))
		}
	}
	if c.log.Launch.Signal != "" && c.Signal == 0 {
		return found(rankEnded(c))
	}
	return nil, false
}

// A worker's own signal handler says more than the loader that misses the worker.
var (
	workerSignal = pattern.Of(`worker.{0,40}is killed by signal: [A-Z]`)
	workerCrash  = pattern.Of(`ERROR: Unexpected (\S[\w ]+?) encountered in worker`)
)

// workerEnd is how a worker of the data loader ended, in the words that tell most: the
// loader's last exception names no signal, and the one before it does.
func workerEnd(c findings) (fact string, ok bool) {
	fact, ok = factOf(c, workerKilled)
	if !ok || workerSignal.Match(fact) {
		return fact, ok
	}
	for _, x := range c.exceptions {
		for _, y := range x.Causes {
			if m := workerKilled.Find(y.Text()); workerSignal.Match(m) {
				return m, true
			}
		}
	}
	if l, crashed := c.log.Mentions(workerCrash); crashed {
		return l, true
	}
	return fact, ok
}

// ncclFailure tells NCCL's own last error, which stands below what the exception
// begins with.
func ncclFailure(c findings) *contract.Failure {
	said := ""
	for _, x := range c.exceptions {
		if m := lastError.Groups(x.Text()); m != nil {
			said = ": " + trimStop(m[1])
			break
		}
	}
	if l, ok := c.log.Mentions(ncclWarning); ok && said == "" {
		said = ": " + trimStop(ncclWarning.Groups(l)[1])
	}
	f := failed(c.Settings, sprintf("The communication between the GPUs failed (NCCL)%s.", said),
		at(first(c))+"Set NCCL_DEBUG=WARN and look at the first rank that failed.")
	if cutLink.Match(said) {
		return asPartner(c, f, first(c))
	}
	return f
}

// interruption: somebody sent SIGINT, or SIGTERM and SIGHUP to the launcher.
func interruption(c findings) *contract.Failure {
	for _, x := range c.exceptions {
		if interrupted(x) && (len(c.exceptions) == 1 || c.signal == "SIGINT") {
			f := contract.Failf(contract.CodeTrainingFailed, "The training was interrupted from outside (KeyboardInterrupt, SIGINT)%s.", afterEpoch(c.Evidence)).
				WithHint("Something else than the agent sent the signal. Run it again.")
			return as(f, contract.FailureTransient).WithEvidence(quoteOf(x)...)
		}
	}
	if r := c.log.Launch.Received; r != "" && c.Signal == 0 {
		return killed(c, r).WithEvidence(c.log.Launch.Line).WithEvidence(quote(c)...)
	}
	return nil
}

// partnerLost: the connection to another process broke. That one ended before is
// said only where something shows that there was one.
func partnerLost(c findings, x logtext.Exception) *contract.Failure {
	f := failed(c.Settings, sprintf("%s%s.", trimStop(clip(x.Short())), place(x)), "")
	if brokenPool.Match(x.Kind) {
		f = f.WithHint("%s", fill(c.Settings, "A process of the pool was ended by a signal or left. Memory is the usual reason: use fewer processes, or ask for more memory."))
	} else if emptyRead.Match(x.Text()) { // here it is the pipe to another process that ended
		f = f.WithHint("%s", partnerHint(c))
	} else if f = advise(c, f, x); f.Hint == plainHint {
		f = f.WithHint("%s", partnerHint(c))
	}
	f = f.WithEvidence(quoteOf(x)...)
	if cutLink.Match(x.Text()) {
		return asPartner(c, f, x)
	}
	return f
}

// asPartner: no fault of this process's own is known, so another try may succeed;
// not so where a partner left with an error by itself, which the launcher blames then.
func asPartner(c findings, f *contract.Failure, x logtext.Exception) *contract.Failure {
	if l := c.log.Launch; l.Exit != 0 && ofRank(x, l.Rank) == 0 {
		return f
	}
	return as(f, contract.FailureTransient)
}

func partnerHint(c findings) string {
	if l := c.log.Launch; l.Signal != "" {
		return sprintf("Another process of the job was ended by %s first.", l.Signal)
	}
	if severalProcesses(c) {
		return "Another process of the job ended first; the log may tell why."
	}
	return "A connection between processes of the job broke, and the log does not tell why. Run it again; if it breaks each time, look at what the other processes printed."
}

// severalProcesses: a launcher reported on one, or more than one printed something.
func severalProcesses(c findings) bool {
	if len(c.Nodes) > 0 || c.log.Launch.Exit != 0 || c.log.Launch.Signal != "" {
		return true
	}
	names := map[string]bool{}
	for _, l := range c.log.Lines {
		if l.Process != "" {
			names[l.Process] = true
		}
	}
	return len(names) > 1
}

// rankEnded: the launcher left with an error because a signal ended one of its
// processes.
func rankEnded(c findings) *contract.Failure {
	launch := c.log.Launch
	f := failed(c.Settings, sprintf("A process of the training was ended by %s%s%s.", launch.Signal, crashPlace(c.log), afterEpoch(c.Evidence)), killedHint(c.Evidence, launch.Signal))
	if fromOutside(launch.Signal) {
		f = as(f, contract.FailureTransient)
	}
	return f.WithEvidence(launch.Line).WithEvidence(c.log.Last(10)...)
}

// deadWorker: killed workers most often mean memory, but only an account that
// was read can say so.
func deadWorker(c findings, fact string) *contract.Failure {
	how := "exited unexpectedly"
	signal := ""
	if m := workerKilled.Groups(fact); m != nil && m[2] != "" {
		signal = m[2]
		how = "was ended by a signal (" + signal + ")"
	}
	if m := workerCrash.Groups(fact); m != nil {
		signal = m[1]
		how = "crashed (" + signal + ")"
	}
	hint := "Memory is the usual reason: use fewer workers{num_workers} or ask for more memory."
	switch k := c.System.OOMKills; {
	case signal != "" && signal != "Killed" && signal != "Bus error":
		hint = "Native code failed in it: run once with NUM_WORKERS=0{num_workers} and PYTHONFAULTHANDLER=1 to see where."
	case k != nil && *k == 0:
		hint = "The kernel killed nothing for memory. Run once with NUM_WORKERS=0 to see the worker's own error."
	case signal == "":
		hint = "Memory is the usual reason: use fewer workers{num_workers} or ask for more memory. NUM_WORKERS=0 shows the worker's own error."
	}
	return failed(c.Settings, sprintf("A worker of the data loader %s.", how), hint).WithEvidence(fact).WithEvidence(quote(c)...)
}

// ownReport: the trainer itself said failed, and nothing above knows better.
func ownReport(c findings) (*contract.Failure, bool) {
	r := c.ChildDone
	if r == nil {
		return unreported(c)
	}
	if r.Status != contract.StatusFailed {
		return nil, false
	}
	message := r.Error
	if message == "" {
		message = "The training script reported a failure without saying why"
	}
	for _, table := range excepted {
		if f := match(c, table, logtext.Exception{Message: message}); f != nil {
			return found(f)
		}
	}
	code := contract.CodeTrainingFailed
	switch {
	case refusedSetting.Match(message):
		code = contract.CodeConfigInvalid
	case refusedSplit.Match(message):
		code = contract.CodeDatasetInvalid
	}
	return found(contract.Failf(code, "%s.", trimStop(message)).WithEvidence(c.log.Last(10)...))
}

// unreported: a trainer that could not read its job has nobody to report to, and prints
// what it refuses.
func unreported(c findings) (*contract.Failure, bool) {
	l, ok := c.log.Says(ofTrainer, c.patience)
	if !ok || c.signal != "" {
		return nil, false
	}
	said := ofTrainer.Groups(l)[1]
	if !refusedSetting.Match(said) {
		return nil, false
	}
	return found(contract.Failf(contract.CodeConfigInvalid, "%s.", trimStop(clip(said))).WithEvidence(c.log.Last(10)...))
}

var ofTrainer = pattern.Of(`^\[trainer\] error: (.+)$`)

// refusedSetting: a report that begins with a setting of the job, as the trainers' refusals
// do, or with an option of CONFIG_JSON.
var refusedSetting = pattern.Of(`^(?:(?:MODEL_NAME|TASK_TYPE|EPOCHS|BATCH_SIZE|LEARNING_RATE|IMAGE_SIZE|CONFIG_JSON|INPUT_SIZE|EXPORT_FORMAT|QUANTIZATION_TYPE|DEVICE|NUM_WORKERS|CHECKPOINT_FREQUENCY|RESUME_EPOCH|PRIMARY_METRIC_MODE|ENABLE_VALIDATION|CONFIDENCE_THRESHOLD|IOU_THRESHOLD|ENABLE_XAI|XAI_METHOD|XAI_TARGET_LAYERS|PRIMARY_METRIC|TEST_SPLIT)\b|(?:unknown )?option ')`)

// refusedSplit: a report that begins with a split of the dataset, as the trainers' refusals
// of its images, labels and classes do.
var refusedSplit = pattern.Of(`^(?:train|val|test): (?:(?:none of the |all )?\d+ (?:of (?:the )?\d+ )?(?:images|files)\b|there is no image\b|(?:the )?folders give the class order\b|the categories \[|Ultralytics dropped \d)`)
