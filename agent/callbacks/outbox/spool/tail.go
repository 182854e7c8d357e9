package spool

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
)

// A tail is the open end of the log: the file of the newest segment.
type tail struct {
	file *os.File
	room int64 // bytes of the file; those behind the frames are zeros

	mu     sync.Mutex // held while syncing, so that closing waits
	closed bool

	failed atomic.Bool // a sync has failed: nobody knows what of the file is on disk
}

var errUnsure = errors.New("an earlier sync of the file has failed")

// append writes a frame at the offset. A write that fails leaves no trace.
func (t *tail) append(frame []byte, at int64) error {
	if _, err := t.file.WriteAt(frame, at); err != nil {
		return errors.Join(err, t.cut(at))
	}
	end := at + int64(len(frame))
	if end <= t.room {
		return nil
	}
	// No room for zeros is no reason to refuse what had room.
	t.room = end
	step := (roomStep - end%roomStep) % roomStep
	if n, _ := t.file.WriteAt(zeros[:step], end); int64(n) == step {
		t.room = end + step
	}
	return nil
}

func (t *tail) cut(at int64) error {
	err := t.file.Truncate(at)
	if err == nil {
		t.room = at
	}
	return err
}

// sync makes everything written so far durable. One that is closed is. After one
// that failed every later one does: the kernel has forgotten the pages that it
// could not write, and would call the next one a success (fsync(2), EIO).
func (t *tail) sync() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.failed.Load():
		return errUnsure
	case t.closed:
		return nil
	}
	err := syncData(t.file)
	if err != nil {
		t.failed.Store(true)
	}
	return err
}

func (t *tail) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	return t.file.Close()
}
