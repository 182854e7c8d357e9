package diagnose

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/diagnose/logtext"
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

var (
	// wrappers carry another process's failure and say nothing of its cause.
	wrappers = pattern.Of(`(?:^|\.)(ChildFailedError|CalledProcessError|ProcessRaisedException|SignalException|ProcessExitedException|SystemExit|Exit|(?:Base)?ExceptionGroup)$`)
	reports  = pattern.Of(`is detected by the operating system|because the data reader raises an exception`) // Paddle's words for a signal, and for another thread's end

	// losses are what a process says that lost its partner: another one tells the
	// cause, when any does.
	losses = pattern.Of(`DistBackendError|ncclRemoteError|remote process exited|NCCL communicator was aborted|Connection (?:reset|closed) by (?:remote )?peer|ConnectionResetError|BrokenPipeError|DataLoader worker \(pid\(?s?\)?|DistNetworkError|Connection reset|Timed out waiting \d+ms for (?:send|recv)|^EOFError$|^EOFError: Ran out of input|monitoredBarrier|Watchdog caught|background workers are no longer alive|BrokenProcessPool|pickle data was truncated`)
	// A broken connection of these libraries leads out of the job, not to a partner.
	outward = pattern.Of(`urllib|/requests/|requests\.exceptions|http[/.]client|httpx|httpcore|aiohttp|botocore|ssl\.py|huggingface_hub|smtplib|paramiko|grpc`)

	// An empty or cut file ends in the words of a pipe whose other end is gone.
	emptyRead = pattern.Of(`^EOFError|pickle data was truncated`)
	pipes     = pattern.Of(`multiprocessing[/.]|concurrent/futures|joblib|spawn\.py|forkserver`)
	// A port that is taken is nobody's loss.
	portTaken = pattern.Of(`(?i)address already in use|EADDRINUSE`)

	interrupts = pattern.Of(`^KeyboardInterrupt`)

	// givesUp is what a program raises after errors that it had logged and gone on from.
	givesUp = pattern.Of(`(?i)\bgiving up\b|\b(?:too many|\d+ consecutive) (?:\w+ )?(?:failures|errors|failed)\b|\bfailed \d+ times\b`)
)

func wraps(x logtext.Exception) bool {
	return wrappers.Match(x.Kind) && !compiling.Match(x.Message) || reports.Match(x.Message)
}

// lost: the exception says only that another process of the job is gone.
func lost(x logtext.Exception) bool {
	all := x.Text() + "\n" + x.Stack()
	if emptyRead.Match(x.Text()) && len(x.Frames) > 0 && !pipes.Match(all) {
		return false
	}
	return losses.Match(x.Text()) && !portTaken.Match(x.Text()) && !outward.Match(all)
}

func interrupted(x logtext.Exception) bool { return interrupts.Match(x.Kind) }

// suspects are the exceptions that may have ended the run, the likeliest first: of
// each process the last that it did not survive. Those of processes that lost their
// partner come later, those of threads and destructors last.
func suspects(log logtext.Log, patience logtext.Patience) []logtext.Exception {
	var causes, partners, asides []logtext.Exception
	told := map[string]bool{} // processes whose cause is found
	for i, x := range slices.Backward(log.Exceptions) {
		switch {
		case wraps(x), log.Survived(x, patience), i > 0 && sumsUp(x, log.Exceptions[i-1]):
		case x.Aside:
			asides = append(asides, x)
		case lost(x), interrupted(x):
			partners = append(partners, x)
		case !told[x.Process]:
			told[x.Process] = true
			causes = append(causes, x)
		}
	}
	slices.Reverse(causes) // what failed first drew the others with it
	blamed(causes, log.Launch.Rank)
	return slices.Concat(causes, partners, asides)
}

// sumsUp: the program had enough of errors, and the one before is the last of them.
func sumsUp(x, before logtext.Exception) bool {
	return givesUp.Match(x.Message) && len(x.Causes) == 0 && before.Process == x.Process && !before.Aside && !wraps(before)
}

// blamed puts the rank first that the launcher saw fail first.
func blamed(causes []logtext.Exception, rank string) {
	if rank == "" {
		return
	}
	slices.SortStableFunc(causes, func(a, b logtext.Exception) int {
		return ofRank(b, rank) - ofRank(a, rank)
	})
}

func ofRank(x logtext.Exception, rank string) int {
	process := x.Process[strings.LastIndexByte(x.Process, '/')+1:]
	for _, name := range []string{"rank", "default", "trainer"} {
		if process == name+rank {
			return 1
		}
	}
	return 0
}
