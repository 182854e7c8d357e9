package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/contract"
)

// A repair replaces the queue's store. Its methods are called with the lock held.
type repair struct{ *queue }

// A reading decides on a record of a store that is replaced: carry it over or not.
type reading func(spool.Record) (r record, carry bool)

// authentic carries over what the agent wrote.
func (q repair) authentic(raw spool.Record) (record, bool) {
	r, err := q.journal.seal.decode(raw, asQueued)
	return r, err == nil
}

// replace sets the store aside, which nobody may have open any more, and goes on
// with a new one that has every message of the old one which is whole and the
// agent's own.
func (q repair) replace(cause error) error { return q.replaceWith(cause, q.authentic) }

// replaceWith is replace with another judge of what is carried over. Each step is
// such that a kill between any two of them leaves a store that opens.
func (q repair) replaceWith(cause error, read reading) error {
	folder := q.journal.folder
	path := folder.join(storeName)
	s, saved, err := q.salvage(path, path+".new", read)
	if err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	var rest []string
	if errors.Is(cause, spool.ErrOwner) {
		if rest, err = folder.moveRestAside(); err != nil {
			s.Abandon()
			return err
		}
	}
	aside, err := folder.moveAside(storeName)
	if err != nil {
		s.Abandon()
		return err
	}
	if err := errors.Join(os.Rename(path+".new", path), atomicfile.SyncDir(folder.path)); err != nil {
		s.Abandon()
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	// The new store has its files open by their old names.
	if err := s.Close(); err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	if s, err = spool.Open(path, q.journal.seal.job); err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	if err := q.take(s); err != nil {
		s.Abandon()
		return err
	}
	// What the damaged store had counted may be lost, and no sequence may repeat.
	q.index.next = max(q.index.next, uint64(folder.now().UnixMilli()))
	q.reportDamage(aside, cause, saved)
	for _, path := range append(rest, aside) {
		folder.removeOlder(path)
	}
	return nil
}

// salvage makes a new store with what is carried over from the old one.
func (q repair) salvage(from, to string, read reading) (s *spool.Spool, saved int, err error) {
	if err := os.RemoveAll(to); err != nil {
		return nil, 0, err
	}
	if s, err = spool.Open(to, q.journal.seal.job); err != nil {
		return nil, 0, err
	}
	err = spool.Salvage(from, q.journal.seal.job, func(raw spool.Record) {
		r, carry := read(raw)
		if !carry || raw.Seq < q.index.done {
			return
		}
		again, err := q.journal.seal.encode(r, asQueued) // what it superseded is not carried over
		if err != nil {
			return
		}
		if _, err := s.Write(again); err == nil {
			saved++
		}
	})
	if err != nil {
		q.log.Warn("the damaged outbox store could not be read to its end", "error", err)
	}
	if err := s.Sync(1); err != nil {
		s.Abandon()
		return nil, 0, err
	}
	return s, saved, nil
}

// take makes s the store and counts what waits in it. It fails if any message is
// unreadable or not the agent's.
func (q repair) take(s *spool.Spool) error {
	fresh := newIndex()
	reader := s.Reader()
	defer reader.Close()
	for {
		raw, at, found, err := reader.Next()
		if err != nil {
			return err
		}
		if !found {
			break
		}
		r, err := q.journal.seal.decode(raw, asQueued)
		if err != nil {
			return err
		}
		fresh.add(entryOf(r, at), entry{})
	}
	next := s.Last() + 1
	if next == 1 { // a new store: see the package comment on keys
		next = uint64(q.journal.folder.now().UnixMilli())
	}
	fresh.next = max(q.index.next, next)
	fresh.done, fresh.trying = q.index.done, q.index.trying
	for seq := range q.index.early {
		fresh.early[seq] = true
	}
	q.index = fresh
	q.journal.store, q.journal.durable = s, s.Last()
	return nil
}

// reportDamage tells the log, Stats and the backend that a file was set aside.
// The event is best effort: the outbox that reports is the one that was damaged.
func (q repair) reportDamage(aside string, cause error, saved int) {
	folder := q.journal.folder
	folder.setAside = append(folder.setAside, aside)
	inLog, told := "the outbox store was damaged and is set aside", "The agent's store of unsent callbacks was damaged; some may be lost."
	if errors.Is(cause, spool.ErrOwner) {
		inLog, told = "the workspace holds callbacks of another job, which are set aside: each job needs a WORKSPACE_DIR of its own", "The workspace held callbacks of another job; they are set aside."
	}
	q.log.Error(inLog, "file", aside, "cause", cause, "messages_saved", saved)
	data, _ := json.Marshal(map[string]any{"file": aside, "cause": cause.Error(), "messages_saved": saved})
	now := folder.now()
	msg, err := contract.NewMessage(contract.KindEvent, contract.Event{
		EventType: contract.EventResourceWarning,
		Message:   told,
		Data:      data, Timestamp: contract.At(now),
	}, now)
	if err != nil || q.journal.store == nil || (q.final != nil && q.final.state != finalNone) {
		return
	}
	seq, _, err := q.put(recordOf(msg, ""))
	if err == nil {
		err = q.journal.store.Sync(seq)
		q.journal.durable = q.journal.store.Last()
	}
	if err != nil {
		q.log.Warn("the damage could not be reported to the backend", "error", err)
	}
}
