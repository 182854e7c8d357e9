package diagnose

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// bareEnding: nothing but how the process ended.
func bareEnding(c *inquest) (*contract.Failure, bool) {
	if c.lossWasNaN() {
		return found(c.nanFailure().WithEvidence(last(c.lines, 10)...))
	}
	return found(c.bare().WithEvidence(last(c.lines, 10)...))
}

func (c *inquest) bare() *contract.Failure {
	signal := c.Signal
	if signal == 0 && c.ExitCode > 128 && c.ExitCode <= 128+64 {
		signal = c.ExitCode - 128 // a shell tells its child's signal this way
	}
	switch unix.Signal(signal) {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP:
		return c.killed(signal)
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGABRT, unix.SIGILL, unix.SIGFPE:
		return contract.Failf(contract.CodeTrainingFailed, "The training crashed (%s)%s%s.", signalName(signal), c.crashPlace(), c.afterEpoch()).
			WithHint("A native library failed: check that the packages fit together, and set PYTHONFAULTHANDLER=1 to see where.").
			WithEvidence(c.gpuNotes()...)
	case 0:
	default:
		return contract.Failf(contract.CodeTrainingFailed, "The training was ended by %s%s.", signalName(signal), c.afterEpoch())
	}
	switch c.ExitCode {
	case contract.ExitNotFound:
		return contract.Failf(contract.CodeConfigInvalid, "The training command was not found.").WithHint("Check the trainer's command and its path in the image.")
	case contract.ExitCannotRun:
		return contract.Failf(contract.CodeConfigInvalid, "The training command can't be executed.").WithHint("Check its file mode and that it is built for this machine.")
	case 2:
		return contract.Failf(contract.CodeTrainingFailed, "The training script ended with code 2, which most often means wrong arguments.").WithHint("Check the trainer's command.")
	}
	return contract.Failf(contract.CodeTrainingFailed, "The training script ended with code %d%s without saying why.", c.ExitCode, c.afterEpoch()).
		WithHint("Print the error before leaving.")
}

// killed: somebody else than the agent ended the child.
func (c *inquest) killed(signal int) *contract.Failure {
	f := contract.Failf(contract.CodeTrainingFailed, "The training was killed from outside (%s)%s.", signalName(signal), c.afterEpoch())
	f.Type, f.Retryable = contract.FailureTransient, true
	if unix.Signal(signal) != unix.SIGKILL {
		return f.WithHint("Something else than the agent sent the signal. Run it again.")
	}
	if c.System.OOMKills == nil {
		return f.WithHint("%s", c.Settings.fill("Whether the kernel did it for memory is not known; use fewer workers{num_workers} or ask for more memory if it happens again."))
	}
	return f.WithHint("The kernel killed nothing for memory in this container. Run it again.")
}

var faultFrame = re(`^\s*File "([^"]+)", line (\d+) in (\S+)`)

// crashPlace reads Python's faulthandler: most recent call first.
func (c *inquest) crashPlace() string {
	inside := false
	for _, l := range c.lines {
		if strings.Contains(l, "(most recent call first):") && strings.HasPrefix(strings.TrimSpace(l), "Current thread") {
			inside = true
			continue
		}
		m := faultFrame.FindStringSubmatch(l)
		if !inside || m == nil || libraryFile.MatchString(m[1]) {
			continue
		}
		return sprintf(" at %s, line %s in %s", m[1][strings.LastIndexByte(m[1], '/')+1:], m[2], m[3])
	}
	return ""
}

// signalName is "SIGSEGV".
func signalName(n int) string {
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(n)
}

func rankSignalName(l string) string {
	m := rankSignal.FindStringSubmatch(l)
	for _, part := range m[1:] {
		if n, err := strconv.Atoi(part); err == nil {
			return signalName(n)
		}
		if part != "" {
			return part
		}
	}
	return "a signal"
}
