package telemetry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
)

// DefaultTrainingLogBytes bounds training.log on disk and in the bucket.
const DefaultTrainingLogBytes = 256 << 20

// TrainingLog is the child's output as a file. Past its limit the middle is
// dropped, never the end: the first half of the space keeps the beginning, the
// other half is two files of which the older is overwritten.
//
// It reads what it wrote by the descriptors that it wrote with: where the child is the
// same user, and the kernel has no Landlock, the child may put a pipe or a link in the
// place of the file.
type TrainingLog struct {
	mu      sync.Mutex
	path    string
	head    *os.File
	tails   [2]*os.File
	file    *os.File // the one that is written; nil when all is said
	written int64    // in it
	limit   int64    // of it
	segment int64
	rolls   int
	whole   joined // once writing has ended
}

// CreateTrainingLog starts path from nothing, or appends when append is set (a second
// life of the same workspace).
func CreateTrainingLog(path string, limit int64, appendTo bool) (*TrainingLog, error) {
	f, err := openOwn(path)
	if err == nil && !appendTo {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the training log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating the training log: %w", err), f.Close())
	}
	return &TrainingLog{path: path, head: f, file: f, written: info.Size(), limit: limit / 2, segment: limit / 4}, nil
}

// openOwn opens a file to append to and to read again. What is there and is no regular
// file was put there by somebody else, and makes room.
func openOwn(path string) (*os.File, error) {
	const flags = os.O_CREATE | os.O_RDWR | os.O_APPEND | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(path, flags, 0o644)
	if err == nil {
		info, err := f.Stat()
		if err == nil && info.Mode().IsRegular() {
			return f, nil
		}
		_ = f.Close()
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, flags|os.O_EXCL, 0o644)
}

// Write appends p, which is best a whole line.
func (l *TrainingLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return 0, os.ErrClosed
	}
	if l.written+int64(len(p)) > l.limit {
		if err := l.roll(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.written += int64(n)
	return n, err
}

// roll goes on in the other tail.
func (l *TrainingLog) roll() (err error) {
	tail := &l.tails[(l.rolls+1)%2]
	if *tail == nil {
		*tail, err = openOwn(l.tailPath(l.rolls + 1))
	}
	if err == nil {
		err = (*tail).Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("continuing the training log: %w", err)
	}
	l.rolls++
	l.file, l.written, l.limit = *tail, 0, l.segment
	return nil
}

func (l *TrainingLog) tailPath(roll int) string { return fmt.Sprintf("%s.tail%d", l.path, roll%2) }

// Finish ends writing. It returns the whole, to be read until Close, which needs no room on
// the disk: the parts, with a line between them where the middle was dropped.
func (l *TrainingLog) Finish() (body io.ReaderAt, size int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file = nil
	if l.whole == nil {
		whole, err := l.parts()
		if err != nil {
			return nil, 0, fmt.Errorf("reading the training log: %w", err)
		}
		l.whole = whole
	}
	return l.whole, l.whole.size(), nil
}

func (l *TrainingLog) parts() (joined, error) {
	whole, err := joined{}.with(l.head)
	if l.rolls > 2 {
		gap := fmt.Sprintf("[trainer-agent: %d MiB of output left out here]\n", int64(l.rolls-2)*l.segment>>20)
		whole = append(whole, io.NewSectionReader(strings.NewReader(gap), 0, int64(len(gap))))
	}
	for roll := max(1, l.rolls-1); roll <= l.rolls && err == nil; roll++ {
		whole, err = whole.with(l.tails[roll%2])
	}
	return whole, err
}

// Close ends writing, and reading, and makes one file of the parts.
func (l *TrainingLog) Close() error {
	_, _, err := l.Finish()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.join()
	}
	for _, f := range []*os.File{l.head, l.tails[0], l.tails[1]} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// join puts the parts behind the first one. Where they find no room they stay.
func (l *TrainingLog) join() error {
	for _, part := range l.whole[1:] {
		if _, err := io.Copy(l.head, part); err != nil {
			_ = l.head.Truncate(l.whole[0].Size())
			return fmt.Errorf("joining the training log, whose end stays in %s.tail*: %w", l.path, err)
		}
	}
	for roll := 1; roll <= min(l.rolls, len(l.tails)); roll++ {
		_ = os.Remove(l.tailPath(roll)) // it is in the whole now
	}
	return nil
}
