package outbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// Line is one message in jobs/{job}/undelivered.jsonl and rejected.jsonl: all
// that is needed to send it again, and no secret.
type Line struct {
	Key      string          `json:"idempotency_key"`
	Kind     contract.Kind   `json:"kind"`
	Path     string          `json:"path"`
	TraceID  string          `json:"trace_id,omitempty"`
	Time     time.Time       `json:"time"`
	Body     json.RawMessage `json:"body"`
	Rejected *Rejection      `json:"rejected,omitempty"` // set when the backend refused it
}

// Rejection is a backend's refusal.
type Rejection struct {
	Status int    `json:"status"`
	Answer string `json:"answer"`
}

// encode returns the line with its end. Bodies stay as short as they came: with
// every < and & escaped, as json.Marshal does, one could grow beyond maxLine.
func (l Line) encode() ([]byte, error) {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	err := to.Encode(l)
	return b.Bytes(), err
}

func (o *Outbox) line(r record, refusal *outcome) Line {
	l := Line{
		Key: o.key(r.seq), Kind: r.kind, Path: r.kind.Path(o.opts.JobID),
		TraceID: o.opts.TraceID, Time: r.at.UTC(), Body: r.body,
	}
	if refusal != nil {
		l.Rejected = &Rejection{refusal.status, excerpt(refusal.reply)}
	}
	return l
}

// Export writes everything that the backend does not have as JSON lines: what it
// refused, then what waits, in order, the final message last. It returns how
// many lines it wrote. It may be called while messages are accepted and
// delivered; messages accepted meanwhile may be missing.
func (o *Outbox) Export(w io.Writer) (lines int, err error) {
	out := bufio.NewWriter(w)
	seen := map[string]bool{}
	write := func(l Line) error {
		if seen[l.Key] {
			return nil
		}
		seen[l.Key] = true
		b, err := l.encode()
		if err != nil {
			return fmt.Errorf("exporting %s: %w", l.Key, err)
		}
		lines++
		_, err = out.Write(b)
		return err
	}
	if err := o.eachRejected(write); err != nil {
		return lines, err
	}
	if err := o.eachWaiting(func(r record) error { return write(o.line(r, nil)) }); err != nil {
		return lines, err
	}
	return lines, out.Flush()
}

// eachRejected reads rejected.jsonl. A line that cannot be read is left out.
func (o *Outbox) eachRejected(fn func(Line) error) error {
	f, err := os.Open(filepath.Join(o.dir, rejectedName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("exporting refused messages: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l Line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue
		}
		if err := fn(l); err != nil {
			return err
		}
	}
	return lines.Err()
}

// eachWaiting reads one record at a time, so that no backlog is held in memory
// and nobody who appends is kept waiting.
func (o *Outbox) eachWaiting(fn func(record) error) error {
	w := &walk{outbox: o}
	defer w.end()
	for {
		r, found, err := w.next()
		if err != nil || !found {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

// A walk goes over what waits, the final message last.
type walk struct {
	outbox *Outbox
	store  *spool.Spool
	reader *spool.Reader
	final  bool
}

func (w *walk) next() (r record, found bool, err error) {
	o := w.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return record{}, false, ErrClosed
	case w.final:
		return record{}, false, nil
	case w.store != o.store: // at the beginning, and when damage made it anew
		w.store, w.reader = o.store, o.store.Reader()
	}
	raw, _, found, err := w.reader.Next()
	if err != nil {
		return record{}, false, err
	}
	if found {
		r, err = decodeRecord(raw)
		return r, err == nil, err
	}
	w.final = true
	return o.final.rec, o.final.state == finalStored, nil
}

func (w *walk) end() {
	if w.reader != nil {
		w.reader.Close()
	}
}
