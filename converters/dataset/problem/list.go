// Package problem collects what is wrong with a dataset: every kind once, with a
// count and the first few places, instead of one error and then the next.
//
// It promises that a list is the same whatever the order in which workers found
// its entries, and that its size does not grow with the dataset. It leaves the
// judgement what counts as a problem to the readers and writers.
package problem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// Severity says what a problem does to the conversion.
type Severity string

// The severities. A strict conversion fails on warnings too.
const (
	Error   Severity = "error"   // the dataset is refused
	Warning Severity = "warning" // something was left out or changed
	Info    Severity = "info"    // worth knowing; nothing was lost
)

// Kind is one kind of problem. Message is in the plural; how many there are is
// said behind it.
type Kind struct {
	Area     string // of the catalogue
	Code     string
	Severity Severity
	Message  string
	Hint     string
}

// Problem is one kind as it occurs in a dataset.
type Problem struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Count    int      `json:"count"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Examples []string `json:"examples"` // the first few places, in dataset order
}

// MaxExamples bounds the places that a problem names.
const MaxExamples = 5

// maxExampleBytes bounds one example: names come from outside.
const maxExampleBytes = 160

type entry struct {
	kind   Kind
	count  int
	orders []int
	texts  []string
}

// List is safe for use by several goroutines. The zero value is ready.
type List struct {
	mu      sync.Mutex
	entries map[string]*entry
}

// Add counts one problem. Order is the place in the dataset (an image's or an
// object's index): the examples with the smallest order are kept.
func (l *List) Add(kind Kind, order int, format string, args ...any) {
	l.AddN(kind, 1, order, format, args...)
}

// AddN counts n problems with one example.
func (l *List) AddN(kind Kind, n, order int, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = make(map[string]*entry)
	}
	e := l.entries[kind.Code]
	if e == nil {
		e = &entry{kind: kind}
		l.entries[kind.Code] = e
	}
	e.count += n
	if len(e.orders) == MaxExamples && order >= e.orders[MaxExamples-1] {
		return
	}
	at, _ := slices.BinarySearch(e.orders, order+1)
	e.orders = slices.Insert(e.orders, at, order)
	e.texts = slices.Insert(e.texts, at, clip(fmt.Sprintf(format, args...)))
	if len(e.orders) > MaxExamples {
		e.orders, e.texts = e.orders[:MaxExamples], e.texts[:MaxExamples]
	}
}

// all begins an example that stands for everything: "none of 8 has them".
const all = "none of "

func clip(text string) string {
	if len(text) <= maxExampleBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxExampleBytes-3], "") + "..."
}

// Count is how often a kind occurred.
func (l *List) Count(kind Kind) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[kind.Code]; e != nil {
		return e.count
	}
	return 0
}

// Drop forgets what was said of a kind: it is so no longer.
func (l *List) Drop(kind Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, kind.Code)
}

// Fatal reports whether an error is in the list.
func (l *List) Fatal() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.kind.Severity == Error {
			return true
		}
	}
	return false
}

// Problems are all of them: errors first, then warnings, then notes, each by code.
func (l *List) Problems() []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Problem, 0, len(l.entries))
	for _, e := range l.entries {
		list = append(list, Problem{
			Code: e.kind.Code, Severity: e.kind.Severity, Count: e.count,
			Message: e.kind.Message, Hint: e.kind.Hint, Examples: slices.Clone(e.texts),
		})
	}
	rank := map[Severity]int{Error: 0, Warning: 1, Info: 2}
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.Severity], rank[b.Severity]), strings.Compare(a.Code, b.Code))
	})
	return list
}

// String is the problem as one line, the count first: "3 images are not on disk (4, 9,
// 12)". The messages are in the plural, which one alone follows:
// "images are not on disk: 1 (4)".
func (p Problem) String() string {
	line := fmt.Sprintf("%d %s", p.Count, p.Message)
	if p.Count == 1 {
		line = p.Message + ": 1"
	}
	if len(p.Examples) > 0 {
		more := ""
		if p.Count > len(p.Examples) && !strings.HasPrefix(p.Examples[0], all) {
			more = ", ..."
		}
		line += " (" + strings.Join(p.Examples, ", ") + more + ")"
	}
	return line
}

// Failure is nil when nothing in the list refuses the dataset, and else a
// DATASET_INVALID that counts every problem of the list. Strict refuses on
// warnings too.
func (l *List) Failure(strict bool) *contract.Failure {
	var fatal, told []Problem
	for _, p := range l.Problems() {
		if p.Severity == Error || (strict && p.Severity == Warning) {
			fatal = append(fatal, p)
		}
		if p.Severity != Info {
			told = append(told, p)
		}
	}
	if len(fatal) == 0 {
		return nil
	}
	if slices.ContainsFunc(fatal, func(p Problem) bool { return p.Code == TooFewImages.Code }) {
		fatal = append(fatal, leavesOut(told)...)
	}
	parts := make([]string, 0, len(fatal))
	for _, p := range fatal {
		parts = append(parts, p.String())
	}
	f := contract.Failf(contract.CodeDatasetInvalid, "The dataset cannot be used: %s.", strings.Join(parts, "; "))
	var hints []string
	for _, p := range fatal {
		if p.Hint != "" && !slices.Contains(hints, p.Hint) {
			hints = append(hints, p.Hint)
		}
	}
	f.Hint = strings.Join(hints, " ")
	for _, p := range told {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s: %s: %s", p.Severity, p.Code, p))
	}
	return f
}

// leavesOut are the warnings that say why there are fewer images than somebody gave.
func leavesOut(told []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(told), func(p Problem) bool { return p.Severity != Warning || !strings.Contains(p.Message, "left out") })
}
