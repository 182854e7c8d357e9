package outbox

import (
	"bufio"
	"fmt"
	"io"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
)

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
	if err := o.rejects.each(write); err != nil {
		return lines, err
	}
	if err := o.queue.each(func(r record) error { return write(o.rejects.line(r)) }); err != nil {
		return lines, err
	}
	return lines, out.Flush()
}

// each reads one record that waits at a time, so that no backlog is held in memory
// and nobody who appends is kept waiting.
func (q *queue) each(fn func(record) error) error {
	w := &walk{queue: q}
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
	queue  *queue
	store  *spool.Spool
	reader *spool.Reader
	final  bool
}

func (w *walk) next() (r record, found bool, err error) {
	q := w.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return record{}, false, ErrClosed
		case w.final:
			return record{}, false, nil
		case w.store != q.journal.store: // at the beginning, and when damage had it made again
			w.store, w.reader = q.journal.store, q.journal.store.Reader()
		}
		raw, _, found, err := w.reader.Next()
		if err != nil {
			return record{}, false, err
		}
		if !found {
			w.final = true
			return q.final.rec, q.final.state == finalStored, nil
		}
		if q.index.early[raw.Seq] {
			continue
		}
		r, err = q.journal.seal.decode(raw, asQueued)
		return r, err == nil, err
	}
}

func (w *walk) end() {
	if w.reader != nil {
		w.reader.Close()
	}
}
