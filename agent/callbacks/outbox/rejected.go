package outbox

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
)

// rejectedMax bounds rejected.jsonl; later refusals are only counted.
const rejectedMax = 64 << 20

// rejectedSlot is the slot of our own event about refusals (the merging law, 3).
const rejectedSlot = "callback_rejected"

// A rejectedFile holds the messages that the backend refused, one JSON line
// each, in the form that Replay reads. A kill between the line and the queue's
// forgetting can repeat a line; its key tells.
type rejectedFile struct {
	file *os.File
	size int64
}

func openRejected(path string) (*rejectedFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	r := &rejectedFile{file: f, size: info.Size()}
	return r, r.endLine()
}

// endLine ends a line that a kill cut off.
func (r *rejectedFile) endLine() error {
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

func (r *rejectedFile) add(line Line) error {
	b, err := line.encode()
	if err != nil {
		return err
	}
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

func (r *rejectedFile) close() error { return r.file.Close() }

// rejectedData is the data of a callback_rejected event.
type rejectedData struct {
	Kind   contract.Kind `json:"kind"` // of the newest refused message
	Status int           `json:"status"`
	Answer string        `json:"answer"`
	Key    string        `json:"idempotency_key"`
	Count  int           `json:"count"` // messages that this event tells of
}

// rejectedEvent makes the event about r, counting in the one that still waits.
func (o *Outbox) rejectedEvent(r record, out outcome) (record, error) {
	data := rejectedData{Kind: r.kind, Status: out.status, Answer: excerpt(out.reply), Key: o.key(r.seq), Count: 1}
	if old, waits := o.slots[rejectedSlot]; waits && o.untried(old.seq) {
		data.Count += o.rejectedCount(old)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return record{}, err
	}
	now := o.opts.Now()
	msg, err := contract.NewMessage(contract.KindEvent, contract.Event{
		EventType: contract.EventCallbackRejected,
		Message:   fmt.Sprintf("The backend refused a %s message with status %d.", r.kind, out.status),
		Data:      raw, Timestamp: contract.At(now),
	}, now)
	return record{kind: msg.Kind, at: now, slot: rejectedSlot, body: msg.Body}, err
}

// rejectedCount is the count in the event that waits.
func (o *Outbox) rejectedCount(e entry) int {
	var event struct {
		Data rejectedData `json:"data"`
	}
	r, err := o.read(e)
	if err != nil || json.Unmarshal(r.body, &event) != nil {
		return 0
	}
	return event.Data.Count
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
