package diagnose

import (
	"encoding/json"
	"strings"
)

// wrappers carry another process's failure and say nothing of its cause.
var wrappers = re(`(?:^|\.)(ChildFailedError|CalledProcessError|ProcessRaisedException|SignalException|ProcessExitedException|SystemExit|Exit)$`)

// victims are exceptions of a process that lost its partner: another process
// tells the cause, when any does.
var victims = re(`DistBackendError|ncclRemoteError|remote process exited|NCCL communicator was aborted|Connection (reset|closed) by peer|ConnectionResetError|BrokenPipeError|DataLoader worker \(pid\(?s?\)?|DistNetworkError|Connection reset|^EOFError$|^KeyboardInterrupt|monitoredBarrier|Watchdog caught`)

// exceptionsOf finds what ended the process: of each rank's stream the last
// exception that is no wrapper, and when that is a victim's, the ones before it
// too. Victims come last.
func exceptionsOf(lines []string) []exception {
	var causes, losses, asides []exception
	for _, stream := range streams(lines) {
		all := (&parser{lines: stream}).parse()
		if len(all) == 0 {
			all = bareExceptions(stream)
		}
		for i := len(all) - 1; i >= 0; i-- {
			x := all[i]
			switch {
			case wrappers.MatchString(x.kind):
				continue
			case x.aside:
				asides = append(asides, x)
				continue
			case victims.MatchString(x.text()):
				losses = append(losses, x)
				continue
			}
			causes = append(causes, x)
			break
		}
	}
	return append(append(causes, losses...), asides...)
}

// bareException is an exception's own line without its traceback: the log's tail
// begins after the header, or the traceback was drawn in boxes (rich).
var bareException = re(`^[A-Za-z_][\w.]*(?:Error|Exception)(?::\s.*|:)?$`)

func bareExceptions(lines []string) []exception {
	var out []exception
	for i, l := range lines {
		if !bareException.MatchString(l) {
			continue
		}
		p := &parser{lines: lines, at: i + 1}
		m := exceptionLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		x := exception{kind: m[1], message: m[2]}
		p.message(&x)
		x.lines = lines[i:p.at]
		out = append(out, x)
	}
	return out
}

// streams splits the log by rank prefix, in order of appearance.
func streams(lines []string) [][]string {
	var order []int
	byRank := map[int][]string{}
	for _, l := range lines {
		r := ranked(l)
		if _, ok := byRank[r.rank]; !ok {
			order = append(order, r.rank)
		}
		byRank[r.rank] = append(byRank[r.rank], r.text)
	}
	out := make([][]string, 0, len(order))
	for _, rank := range order {
		out = append(out, byRank[rank])
	}
	return out
}

// elasticException reads the file that torch's elastic agent leaves at
// TORCHELASTIC_ERROR_FILE: {"message": {"message": "RuntimeError: …",
// "extraInfo": {"py_callstack": "Traceback …"}}}, or a plain string as message.
//
// Source: torch/distributed/elastic/multiprocessing/errors/error_handler.py.
func elasticException(content string) (exception, bool) {
	var file struct {
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal([]byte(content), &file) != nil || len(file.Message) == 0 {
		return exception{}, false
	}
	var inner struct {
		Message   string `json:"message"`
		ExtraInfo struct {
			Callstack string `json:"py_callstack"`
		} `json:"extraInfo"`
	}
	if json.Unmarshal(file.Message, &inner) != nil {
		if json.Unmarshal(file.Message, &inner.Message) != nil {
			return exception{}, false
		}
	}
	parsed := exceptionsOf(cleanLines(strings.Split(inner.ExtraInfo.Callstack, "\n")))
	if len(parsed) > 0 {
		return parsed[0], true
	}
	first, rest, _ := strings.Cut(inner.Message, "\n")
	m := exceptionLine.FindStringSubmatch(first)
	if m == nil || wrappers.MatchString(m[1]) {
		return exception{}, false
	}
	message := strings.TrimSpace(m[2] + "\n" + rest)
	return exception{kind: m[1], message: message, lines: strings.Split(inner.Message, "\n")}, true
}
