package telemetry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// DefaultTrainingLogBytes bounds training.log on disk and in the bucket.
const DefaultTrainingLogBytes = 256 << 20

// TrainingLog is the child's output as a file. Past its limit the middle is
// dropped, never the end: the first half of the space keeps the beginning, the
// other half is two files of which the older is overwritten.
type TrainingLog struct {
	mu      sync.Mutex
	path    string
	file    *os.File
	written int64 // in the current file
	limit   int64 // of the current file
	segment int64
	rolls   int
}

// CreateTrainingLog starts path from nothing, or appends when append is set (a second
// life of the same workspace).
func CreateTrainingLog(path string, limit int64, appendTo bool) (*TrainingLog, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if appendTo {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating the training log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating the training log: %w", err), f.Close())
	}
	return &TrainingLog{path: path, file: f, written: info.Size(), limit: limit / 2, segment: limit / 4}, nil
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

func (l *TrainingLog) roll() error {
	l.rolls++
	f, err := os.Create(l.tailPath(l.rolls))
	if err != nil {
		return fmt.Errorf("continuing the training log: %w", err)
	}
	_ = l.file.Close()
	l.file, l.written, l.limit = f, 0, l.segment
	return nil
}

func (l *TrainingLog) tailPath(roll int) string { return fmt.Sprintf("%s.tail%d", l.path, roll%2) }

// Close ends writing and, if the log was longer than its limit, joins its parts
// at Path with a line between them that says so.
func (l *TrainingLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if l.rolls == 0 {
		return err
	}
	return errors.Join(err, l.join())
}

func (l *TrainingLog) join() error {
	out, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("joining the training log: %w", err)
	}
	defer func() { _ = out.Close() }()
	if l.rolls > 2 {
		_, err = fmt.Fprintf(out, "[trainer-agent: %d MiB of output left out here]\n", int64(l.rolls-2)*l.segment>>20)
	}
	for roll := max(1, l.rolls-1); roll <= l.rolls && err == nil; roll++ {
		err = appendFile(out, l.tailPath(roll))
	}
	return err
}

func appendFile(out io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("joining the training log: %w", err)
	}
	defer func() { _ = in.Close() }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("joining the training log: %w", err)
	}
	return os.Remove(path)
}

// Path is where the log is.
func (l *TrainingLog) Path() string { return l.path }
