package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
	"github.com/vision-platform/trainer-agent/contract"
)

// Open opens the outbox in dir, making it when there is none, and takes up what
// an earlier life of the agent left there. A damaged store, or one of another
// job, is set aside and reported in Stats.SetAside; what can be read of a
// damaged one is carried over. The error is a *contract.Failure when another
// agent holds the outbox.
func Open(dir string, opts Options) (*Outbox, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the outbox folder: %w", err)
	}
	client, err := opts.client()
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, fullAtStart(dir, err)
	}
	o := &Outbox{lock: lock, log: opts.Logger, now: opts.Now, redact: opts.Redact, answers: newAnswers()}
	client.Token.Renew()
	if err := (opening{o}).openFiles(dir, opts, append(strong(opts.Secrets), client.Token.Value())); err != nil {
		return nil, fullAtStart(dir, errors.Join(err, lock.Unlock()))
	}
	client.Token.Renewed = func(token string) {
		if err := o.seal.admit(token); err != nil {
			opts.Logger.Warn("the outbox's key could not be stored for the new token", "error", err)
		}
	}
	o.sender = newSender(o.queue, client, o.rejects, o.answers, opts)
	return o, nil
}

// minSecret is the least length of a secret beside the token: the encrypted key is
// something to try guesses against, and local stores have passwords like "minioadmin".
const minSecret = 16

func strong(secrets []string) []string {
	return slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < minSecret })
}

// lockFolder makes this process the only one in the outbox folder, until the lock
// is given up or the process ends.
func lockFolder(dir string) (*filelock.Lock, error) {
	lock, err := filelock.Try(filepath.Join(dir, "lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, contract.Failf(contract.CodeConfigInvalid, "The outbox %s is in use by another agent.", dir).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	}
	if err != nil {
		return nil, fmt.Errorf("locking the outbox: %w", err)
	}
	return lock, nil
}

// An opening takes up what an earlier life left in the folder.
type opening struct{ *Outbox }

// openFiles opens what is in the folder; secrets are what may open its key.
func (o opening) openFiles(dir string, opts Options, secrets []string) (err error) {
	f := &folder{path: dir, log: opts.Logger, now: opts.Now}
	var known bool
	if o.seal, known, err = openSeal(dir, opts.JobID, secrets); err != nil {
		return err
	}
	o.rejects = &rejects{folder: f, seal: o.seal, job: opts.JobID, trace: opts.TraceID}
	o.queue = &queue{
		log: opts.Logger, limits: limits{f.path, opts.MaxBytes, opts.DiskFree}, index: newIndex(),
		journal: &journal{folder: f, seal: o.seal, batch: &batch{}},
		news:    make(chan struct{}, 1), moved: make(chan struct{}),
	}
	if err := o.openStore(known); err != nil {
		return err
	}
	if err := o.openFinal(); err != nil {
		return errors.Join(err, o.queue.journal.store.Close())
	}
	if err := o.rejects.open(); err != nil {
		return errors.Join(err, o.queue.journal.store.Close(), o.queue.final.close())
	}
	return nil
}

func (o opening) openFinal() (err error) {
	q := o.queue
	path := q.journal.folder.join(slotName)
	var damaged bool
	if q.final, damaged, err = openFinal(q.journal.folder, o.seal); err != nil {
		return err
	}
	if damaged {
		repair{q}.reportDamage(path, errors.New("the final message of an earlier life is unreadable, or was not written by the agent"), 0)
	}
	if q.final.state != finalNone {
		q.index.next = max(q.index.next, q.final.rec.seq+1)
	}
	return nil
}

// fullAtStart names a disk that is full before anything has begun.
func fullAtStart(dir string, err error) error {
	if !errors.Is(refusal(err), ErrFull) {
		return err
	}
	return contract.Failf(contract.CodeDiskFull, "The disk of %s has no room for the outbox: %w.", dir, err).
		WithHint("Free at least %d MiB or set WORKSPACE_DIR to a larger disk.", (slotSize+diskReserve)>>20)
}

// openStore opens the store and counts what waits in it. known says that the key
// is the one with which its messages were written.
func (o opening) openStore(known bool) error {
	q, f := o.queue, o.queue.journal.folder
	if err := f.finishReplacing(); err != nil {
		return err
	}
	s, err := spool.Open(f.join(storeName), o.seal.job)
	if err == nil && !known && s.Waiting() > 0 {
		s.Abandon()
		return o.adopt()
	}
	if err == nil {
		if err = (repair{q}).take(s); err != nil {
			s.Abandon()
		}
	}
	switch {
	case (errors.Is(err, spool.ErrDamaged)) && !known:
		return o.adopt()
	case errors.Is(err, spool.ErrDamaged), errors.Is(err, spool.ErrOwner):
		return repair{q}.replace(err)
	case err != nil:
		return fmt.Errorf("opening the outbox: %w", err)
	}
	return nil
}

var errForeign = fmt.Errorf("%w: no secret of this run opens the key with which its messages were written", spool.ErrDamaged)

// adopt carries over the messages of a store whose key is lost, as far as the
// training script could have sent them itself; the others are put aside, where a
// person finds them.
func (o opening) adopt() error {
	if err := o.rejects.open(); err != nil {
		return err
	}
	return repair{o.queue}.replaceWith(errForeign, func(raw spool.Record) (record, bool) {
		r, fit, err := childsWord(raw)
		if err != nil {
			return record{}, false
		}
		if !fit {
			err = o.rejects.add(r, delivery.Outcome{Reply: []byte(errForeign.Error())})
			o.log.Warn("a message of an earlier run is put aside: it cannot be told from what somebody else wrote", "kind", r.kind, "sequence", r.seq, "error", err)
		}
		return r, fit
	})
}
