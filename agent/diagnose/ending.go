package diagnose

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// bareEnding: nothing but how the process ended.
func bareEnding(c findings) (*contract.Failure, bool) {
	if lossWasNaN(c.Evidence) && !fromOutside(c.signal) {
		return found(nanFailure(c, nil).WithEvidence(c.log.Last(10)...))
	}
	return found(bare(c).WithEvidence(c.log.Last(10)...))
}

// complaint is a line that calls itself an error, in no form that is known better.
var complaint = pattern.Of(`(?i)^\W*(?:\S+ ){0,6}?\W*(?:error|fatal|exception|critical)\b|\w(?:Error|Exception)\b: |Assertion .{1,200} failed|\bfailed: |OP_REQUIRES failed|Error reported to Coordinator|Resource exhausted`)

func bare(c findings) *contract.Failure {
	switch {
	case fromOutside(c.signal):
		return killed(c, c.signal)
	case c.signal != "":
		return crash(c, nil)
	}
	switch c.ExitCode {
	case contract.ExitNotFound:
		if f := refused(c.log.Lines, ofLinker, ofShell, notThere); f != nil {
			return f
		}
		return contract.Failf(contract.CodeConfigInvalid, "A command was not found (code 127).").WithHint("Check the trainer's command, the scripts that it runs, and their paths in the image.")
	case contract.ExitCannotRun:
		if f := refused(c.log.Lines, ofShell, cannotRun); f != nil {
			return f
		}
		return contract.Failf(contract.CodeConfigInvalid, "A command can't be executed (code 126).").WithHint("Check its file mode and that it is built for this machine.")
	}
	if f := refused([]logtext.Line{{Text: c.log.LastSaid()}}, ofLinker); f != nil {
		return f
	}
	if l, ok := c.log.Says(complaint, c.patience); ok && !launchers.Match(l) {
		return contract.Failf(contract.CodeTrainingFailed, "The training script ended with code %d%s. The last error that it printed: %s", c.ExitCode, afterEpoch(c.Evidence), withStop(trimStop(clip(c.log.WithNext(l))))).
			WithHint("The lines before it are in the log and in the evidence.")
	}
	if f := silentRank(c); f != nil {
		return f
	}
	how, hint := "without saying why", "Print the error before leaving."
	if last := c.log.LastSaid(); last != "" { // it may say why in words that are not known here
		how, hint = "and its last lines are no error that is known here. The last one: "+trimStop(clip(last)), "The lines before it are in the log and in the evidence."
	}
	return contract.Failf(contract.CodeTrainingFailed, "The training script ended with code %d%s %s.", c.ExitCode, afterEpoch(c.Evidence), how).
		WithHint("%s", hint)
}

// launchers is what a launcher says of a process that it started, and no reason.
var launchers = pattern.Of(`CalledProcessError: Command |ChildFailedError|exits with return code`)

// command is a command of the script's own that failed, launcher what starts the
// training's processes.
var (
	command  = pattern.Of(`CalledProcessError$`)
	launcher = pattern.Of(`torch[./]distributed|torchrun|accelerate|deepspeed|horovod|mpirun|srun|colossalai`)
)

// storeLost is what a process prints whose connection to the others' store broke.
var storeLost = pattern.Of(`\[c10d\] (?:recvValue|recvVector|sendBytes|waitForInput)\w* failed|TCPStore server has shut down too early`)

// silentRank: the launcher, or the store that its processes share, says that one of
// them ended, and no line says why.
func silentRank(c findings) *contract.Failure {
	launch := c.log.Launch
	for _, x := range slices.Backward(c.log.Exceptions) {
		if command.Match(x.Kind) && !launcher.Match(x.Text()+"\n"+x.Stack()) && !c.log.Survived(x, c.patience) {
			return advise(c, failed(c.Settings, withStop(trimStop(clip(x.Short()))+place(x)), "What the command itself printed stands before it in the log."), x).WithEvidence(quoteOf(x)...)
		}
	}
	if launch.Exit != 0 {
		who := "The process that the launcher started"
		if launch.Rank != "" {
			who = "Rank " + launch.Rank + " of the training"
		}
		why, hint := ", and the last lines of the log do not say why", "Look further up in training.log. Decorated with torch.distributed.elastic.multiprocessing.errors.record, main() leaves its traceback to the agent."
		if launch.Before != "" {
			why, hint = ". The last line before that: "+trimStop(clip(launch.Before)), "Look further up in training.log."
		}
		return failed(c.Settings, sprintf("%s ended with code %d%s%s.", who, launch.Exit, afterEpoch(c.Evidence), why), hint)
	}
	if l, ok := c.log.Mentions(storeLost); ok {
		return as(failed(c.Settings, sprintf("The connection between the processes of the training broke%s: %s.", afterEpoch(c.Evidence), trimStop(clip(l))), partnerHint(c)), contract.FailureTransient)
	}
	return nil
}

// crashSignal are the signals by which native code ends its own process.
func crashSignal(signal string) bool {
	switch unix.SignalNum(signal) {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGABRT, unix.SIGILL, unix.SIGFPE:
		return true
	}
	return false
}

const busHint = "Memory that lies in a file could not be reached: /dev/shm or a disk that is full, or a file that was cut while it was in use."

// crash is an end by native code, with the last that it said.
func crash(c findings, x *logtext.Exception) *contract.Failure {
	signal := ""
	if c.signal != "" {
		signal = " (" + c.signal + ")"
	}
	said, block := "", []string(nil)
	if x != nil {
		said, block = ": "+trimStop(clip(x.Short())), quoteOf(*x)
	}
	if c.signal == "" || crashSignal(c.signal) {
		hint := "A native library failed: check that the packages fit together, and set PYTHONFAULTHANDLER=1 to see where."
		switch unix.SignalNum(c.signal) {
		case unix.SIGILL:
			hint = "A native library was built for a newer processor: use a build for this one, or run on another machine."
		case unix.SIGBUS:
			hint = busHint
		}
		f := failed(c.Settings, sprintf("The training crashed%s%s%s%s.", signal, crashPlace(c.log), afterEpoch(c.Evidence), said), hint)
		if x != nil {
			f = advise(c, f, *x)
		}
		return f.WithEvidence(block...).WithEvidence(gpuNotes(c.Evidence)...)
	}
	return failed(c.Settings, sprintf("The training was ended by %s%s%s.", c.signal, afterEpoch(c.Evidence), said), "").WithEvidence(block...)
}

// killed: somebody else than the agent ended the child.
func killed(c findings, signal string) *contract.Failure {
	f := failed(c.Settings, sprintf("The training was killed from outside (%s)%s.", signal, afterEpoch(c.Evidence)), killedHint(c.Evidence, signal))
	return as(f, contract.FailureTransient)
}

func killedHint(e Evidence, signal string) string {
	switch {
	case signal != "SIGKILL" && fromOutside(signal):
		return "Something else than the agent sent the signal. Run it again."
	case signal == "SIGBUS":
		return busHint
	case signal != "SIGKILL":
		return "A native library failed: set PYTHONFAULTHANDLER=1 to see where."
	case e.System.OOMKills == nil:
		return "Whether the kernel did it for memory is not known; use fewer workers{num_workers} or ask for more memory if it happens again."
	}
	return "The kernel killed nothing for memory in this container. Run it again."
}

var faultFrame = pattern.Of(`^\s*File "([^"]+)", line (\d+) in (\S+)`)

// crashPlace reads Python's faulthandler: most recent call first.
func crashPlace(log logtext.Log) string {
	inside := false
	for _, l := range log.Lines {
		if strings.Contains(l.Text, "(most recent call first):") {
			inside = strings.HasPrefix(strings.TrimSpace(l.Text), "Current thread") || strings.HasPrefix(strings.TrimSpace(l.Text), "Stack")
			continue
		}
		m := faultFrame.Groups(l.Text)
		if !inside || m == nil || logtext.IsLibrary(m[1]) {
			continue
		}
		return sprintf(" at %s, line %s in %s", m[1][strings.LastIndexByte(m[1], '/')+1:], m[2], m[3])
	}
	return ""
}
