package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxLine bounds one line of an export: a body and what describes it.
const maxLine = MaxMessageBytes + 64<<10

// Replayed is what a Replay did.
type Replayed struct {
	Delivered int
	Rejected  []string // keys that the backend refused
	Last      string   // the last key that was settled
}

// Replay sends the lines of an export to the backend, in their order and under
// their keys, so it is safe to run twice: the backend knows what it has by the
// key. It goes on retrying until ctx ends and stops at the first line that could
// not be delivered, so that the order holds; a refused line is counted and left
// behind. JobID and TraceID of opts are not used: every line names its own.
func Replay(ctx context.Context, from io.Reader, opts Options) (Replayed, error) {
	opts.JobID = "replay"
	opts, err := opts.withDefaults()
	if err != nil {
		return Replayed{}, err
	}
	c, err := newClient(opts)
	if err != nil {
		return Replayed{}, err
	}
	defer c.close()
	var done Replayed
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		p, err := readLine(lines.Bytes())
		if err != nil {
			return done, fmt.Errorf("replaying line %d: %w", n, err)
		}
		outage := outageLog{log: opts.Logger, now: opts.Now}
		out, err := c.deliver(ctx, p, func(err error, wait time.Duration) { outage.failed(err, wait) })
		if err != nil {
			return done, fmt.Errorf("replaying line %d (%s): %w", n, p.key, err)
		}
		done.Last = p.key
		if out.delivered() {
			done.Delivered++
			continue
		}
		done.Rejected = append(done.Rejected, p.key)
		opts.Logger.Warn("the backend refused a replayed message", "key", p.key, "status", out.status, "answer", excerpt(out.reply))
	}
	if err := lines.Err(); err != nil {
		return done, fmt.Errorf("reading the messages to replay: %w", err)
	}
	return done, nil
}

// readLine checks a line before anything of it is sent with a token: its path
// must be the one of its kind and of the job that its key names.
func readLine(b []byte) (parcel, error) {
	var l Line
	if err := json.Unmarshal(b, &l); err != nil {
		return parcel{}, fmt.Errorf("it is no message of an outbox: %w", err)
	}
	cut := strings.LastIndexByte(l.Key, ':')
	if cut <= 0 || strings.ContainsAny(l.Key, "\r\n") || strings.ContainsAny(l.TraceID, "\r\n") {
		return parcel{}, fmt.Errorf("its idempotency_key %q is not {job}:{sequence}", l.Key)
	}
	if l.Kind.Pattern() == "" || l.Path != l.Kind.Path(l.Key[:cut]) {
		return parcel{}, fmt.Errorf("its path %q is not that of a %s message of job %q", l.Path, l.Kind, l.Key[:cut])
	}
	if len(l.Body) == 0 || l.Body[0] != '{' {
		return parcel{}, fmt.Errorf("its body is no JSON object")
	}
	return parcel{path: l.Path, key: l.Key, trace: l.TraceID, body: l.Body}, nil
}
