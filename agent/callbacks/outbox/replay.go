package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
)

// Replayed is what a Replay did.
type Replayed struct {
	Delivered int
	Rejected  []string // keys that the backend refused
	Foreign   []string // keys of other jobs' messages, which were not sent
	Last      string   // the last key that was settled
}

// Replay sends the lines of an export to the backend, in their order and under
// their keys, so it is safe to run twice: the backend knows what it has by the
// key. It goes on retrying until ctx ends and stops at the first line that could
// not be delivered, so that the order holds; a refused line is counted and left
// behind, and so is one that is not of opts.JobID: a file that somebody else may
// have written to must not end another job. Every line has its own trace id.
func Replay(ctx context.Context, from io.Reader, opts Options) (Replayed, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return Replayed{}, err
	}
	c, err := opts.client()
	if err != nil {
		return Replayed{}, err
	}
	defer c.Close()
	var done Replayed
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		job, r, err := readLine(lines.Bytes())
		if err != nil {
			return done, fmt.Errorf("replaying line %d: %w", n, err)
		}
		if job != opts.JobID {
			done.Foreign = append(done.Foreign, r.Key)
			opts.Logger.Warn("a message of another job is not sent", "key", r.Key, "line", n, "job", opts.JobID)
			continue
		}
		outage := outageLog{log: opts.Logger, now: opts.Now}
		out, err := c.Deliver(ctx, r, delivery.Tries{Failed: func(err error, wait time.Duration) { outage.failed(err, wait) }})
		if err != nil {
			return done, fmt.Errorf("replaying line %d (%s): %w", n, r.Key, err)
		}
		done.Last = r.Key
		if out.Delivered() {
			done.Delivered++
			continue
		}
		done.Rejected = append(done.Rejected, r.Key)
		opts.Logger.Warn("the backend refused a replayed message", "key", r.Key, "status", out.Status, "answer", excerpt(out.Reply))
	}
	if err := lines.Err(); err != nil {
		return done, fmt.Errorf("reading the messages to replay: %w", err)
	}
	return done, nil
}

// readLine checks a line before anything of it is sent with a token: its path
// must be the one of its kind and of the job that its key names.
func readLine(b []byte) (job string, r delivery.Request, err error) {
	var l Line
	if err := json.Unmarshal(b, &l); err != nil {
		return "", delivery.Request{}, fmt.Errorf("it is no message of an outbox: %w", err)
	}
	cut := strings.LastIndexByte(l.Key, ':')
	if cut <= 0 || strings.ContainsAny(l.Key, "\r\n") || strings.ContainsAny(l.TraceID, "\r\n") {
		return "", delivery.Request{}, fmt.Errorf("its idempotency_key %q is not {job}:{sequence}", l.Key)
	}
	job = l.Key[:cut]
	if l.Kind.Pattern() == "" || l.Path != l.Kind.Path(job) {
		return "", delivery.Request{}, fmt.Errorf("its path %q is not that of a %s message of job %q", l.Path, l.Kind, job)
	}
	if len(l.Body) == 0 || l.Body[0] != '{' {
		return "", delivery.Request{}, fmt.Errorf("its body is no JSON object")
	}
	return job, delivery.Request{Path: l.Path, Key: l.Key, Trace: l.TraceID, Body: l.Body, Final: l.Kind.Final()}, nil
}
