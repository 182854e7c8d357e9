package scan

import (
	"errors"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// maxFaults bounds those of one look. One is one too many already.
const maxFaults = 8

// Fault is a panic over one file or folder: a bug of ours, which the names and bytes
// that a training writes have found. It must not cost the checkpoints beside it.
type Fault struct {
	Rel string
	Err *crew.Panic
}

// attempt calls f, which looks at rel and nothing else.
func attempt(rel string, f func()) *Fault {
	err := crew.Try(func() error { f(); return nil })
	if p, ok := errors.AsType[*crew.Panic](err); ok {
		return &Fault{rel, p}
	}
	return nil
}

func (s *scanner) attempt(rel string, f func()) {
	if fault := attempt(rel, f); fault != nil && len(s.view.Faults) < maxFaults {
		s.view.Faults = append(s.view.Faults, *fault)
	}
}
