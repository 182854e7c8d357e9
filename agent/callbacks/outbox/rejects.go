package outbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// rejectedMax bounds rejected.jsonl; later refusals are only counted.
const rejectedMax = 64 << 20

// maxLine bounds one line of an export: a body and what describes it.
const maxLine = MaxMessageBytes + 64<<10

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
	MAC      []byte          `json:"mac,omitempty"`      // in rejected.jsonl: that the agent wrote it
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

// rejects are the messages that the backend refused, in rejected.jsonl: one JSON
// line each, in the form that Replay reads. A kill between the line and the queue's
// forgetting can repeat a line; its key tells.
type rejects struct {
	folder *folder
	seal   *seal
	job    string
	trace  string

	mu   sync.Mutex
	file *os.File
	size int64
}

func (r *rejects) open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		return nil
	}
	path := r.folder.join(rejectedName)
	f, err := spool.OpenRegular(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if errors.Is(err, spool.ErrDamaged) {
		if _, err = r.folder.moveAside(rejectedName); err == nil {
			f, err = spool.OpenRegular(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("opening %s: %w", path, err), f.Close())
	}
	r.file, r.size = f, info.Size()
	return r.endLine()
}

// endLine ends a line that a kill cut off.
func (r *rejects) endLine() error {
	if r.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := r.file.ReadAt(last, r.size-1); err != nil || last[0] == '\n' {
		return err
	}
	n, err := r.file.WriteString("\n")
	r.size += int64(n)
	return err
}

// add puts a message aside with the backend's answer to it.
func (r *rejects) add(rec record, out delivery.Outcome) error {
	line := r.line(rec)
	line.Rejected = &Rejection{out.Status, excerpt(out.Reply)}
	line.MAC = r.seal.sum("rejected", rec.seq, []byte(line.Kind), line.Body)
	b, err := line.encode()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size+int64(len(b)) > rejectedMax {
		return fmt.Errorf("%w: rejected.jsonl holds %d bytes", ErrFull, r.size)
	}
	n, err := r.file.Write(b)
	r.size += int64(n)
	if err != nil {
		return err
	}
	return r.file.Sync()
}

func (r *rejects) line(rec record) Line {
	return Line{
		Key: r.key(rec.seq), Kind: rec.kind, Path: rec.kind.Path(r.job),
		TraceID: r.trace, Time: rec.at.UTC(), Body: rec.body,
	}
}

func (r *rejects) key(seq uint64) string { return fmt.Sprintf("%s:%d", r.job, seq) }

// each reads what was put aside. A line that cannot be read is left out, and so is
// one that is not this job's own, or that neither the agent wrote nor a training
// script could have sent itself: the file may be within its reach.
func (r *rejects) each(fn func(Line) error) error {
	f, err := spool.OpenRegular(r.folder.join(rejectedName), os.O_RDONLY, 0)
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
		if json.Unmarshal(lines.Bytes(), &l) != nil || !r.owns(l) {
			continue
		}
		l.MAC = nil
		if err := fn(l); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (r *rejects) owns(l Line) bool {
	number, ours := strings.CutPrefix(l.Key, r.job+":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ours || err != nil || l.Path != l.Kind.Path(r.job) {
		return false
	}
	return r.seal.holds(l.MAC, "rejected", seq, []byte(l.Kind), l.Body) || sayable(l.Kind, l.Body)
}

func (r *rejects) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}

// excerpt is the beginning of a backend's answer on one line, fit for a log.
func excerpt(b []byte) string {
	const most = 300
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(b[:min(len(b), 4*most)]), "�")), " ")
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}
