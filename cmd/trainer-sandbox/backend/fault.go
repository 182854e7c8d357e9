package backend

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxFaultWait bounds delays and hanging answers.
const maxFaultWait = 10 * time.Minute

// Fault is what goes wrong on demand. It strikes calls that match all of Path,
// Kind and Job, as often as Calls and as long as Seconds say. Delay goes with any
// of Status, Drop, Hang and Garbage, or stands alone.
type Fault struct {
	ID   int           `json:"id"`
	Path string        `json:"path,omitempty"` // pattern of path.Match, for example /api/v1/jobs/*/heartbeat
	Kind contract.Kind `json:"kind,omitempty"`
	Job  string        `json:"job,omitempty"`

	Status     int     `json:"status,omitempty"`        // answer this and nothing else
	RetryAfter string  `json:"retry_after,omitempty"`   // header of that answer: seconds or an HTTP date
	Drop       bool    `json:"drop,omitempty"`          // close the connection without an answer
	Hang       bool    `json:"hang,omitempty"`          // send the header of a 200 and never the body
	Garbage    bool    `json:"garbage,omitempty"`       // answer 200 with a body that is no JSON
	Delay      float64 `json:"delay_seconds,omitempty"` // wait first

	Skip    int     `json:"skip,omitempty"`    // matching calls that go through before the first strike
	Calls   int     `json:"calls,omitempty"`   // strikes; 0 = no limit
	Seconds float64 `json:"seconds,omitempty"` // lifetime; 0 = no limit
	// Accept: the call is handled as usual before the fault strikes, as by a
	// server whose answer is lost; what follows is a duplicate.
	Accept bool `json:"accept,omitempty"`
}

func (f Fault) check() error {
	actions := 0
	for _, on := range []bool{f.Status != 0, f.Drop, f.Hang, f.Garbage} {
		if on {
			actions++
		}
	}
	if _, err := path.Match(f.Path, "/"); err != nil {
		return fmt.Errorf("path: %q is not a pattern: %w", f.Path, err)
	}
	switch {
	case actions > 1:
		return errors.New("give one of status, drop, hang and garbage")
	case actions == 0 && f.Delay <= 0:
		return errors.New("give one of status, drop, hang, garbage and delay_seconds")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: %d is not within 200 and 599", f.Status)
	case f.RetryAfter != "" && f.Status == 0:
		return errors.New("retry_after: goes with a status")
	case f.Delay < 0 || f.Delay > maxFaultWait.Seconds():
		return fmt.Errorf("delay_seconds: %v is not within 0 and %v", f.Delay, maxFaultWait.Seconds())
	case f.Calls < 0 || f.Seconds < 0 || f.Skip < 0:
		return errors.New("calls, seconds and skip must not be negative")
	case f.Kind != "" && !slices.Contains(contract.Kinds, f.Kind):
		return fmt.Errorf("kind: %q is none of %q", f.Kind, contract.Kinds)
	}
	return nil
}

func (f Fault) matches(c *Call) bool {
	if f.Path != "" {
		if ok, _ := path.Match(f.Path, c.Path); !ok { // the pattern was checked
			return false
		}
	}
	return (f.Kind == "" || f.Kind == c.Kind) && (f.Job == "" || f.Job == c.Job)
}

// String names the fault in a Call.
func (f Fault) String() string {
	name := ""
	switch {
	case f.Status != 0:
		name = fmt.Sprintf("status %d", f.Status)
	case f.Drop:
		name = "drop"
	case f.Hang:
		name = "hang"
	case f.Garbage:
		name = "garbage"
	}
	if f.Delay > 0 {
		name = fmt.Sprintf("delay %gs %s", f.Delay, name)
	}
	return name
}

// activeFault is a fault and how often it struck.
type activeFault struct {
	Fault
	Struck int       `json:"struck"`
	Until  time.Time `json:"until,omitzero"`
}

func (f *activeFault) over(now time.Time) bool {
	return (f.Calls > 0 && f.Struck >= f.Calls) || (!f.Until.IsZero() && !now.Before(f.Until))
}

// faults are those that are armed.
type faults struct {
	now func() time.Time

	mu     sync.Mutex
	armed  []*activeFault
	lastID int
}

// AddFault arms a fault and returns its id.
func (a *faults) AddFault(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(func(f *activeFault) bool { return f.over(a.now()) })
	if len(a.armed) >= maxFaults {
		return 0, fmt.Errorf("there are %d faults already; delete some", len(a.armed))
	}
	a.lastID++
	f.ID = a.lastID
	armed := &activeFault{Fault: f}
	if f.Seconds > 0 {
		armed.Until = a.now().Add(time.Duration(f.Seconds * float64(time.Second)))
	}
	a.armed = append(a.armed, armed)
	return f.ID, nil
}

// ClearFaults disarms every fault.
func (a *faults) ClearFaults() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(func(*activeFault) bool { return true })
}

// RemoveFault disarms one fault and reports whether it was armed.
func (a *faults) RemoveFault(id int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.drop(func(f *activeFault) bool { return f.ID == id }) > 0
}

// list are the faults that are armed now.
func (a *faults) list() []activeFault {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(func(f *activeFault) bool { return f.over(a.now()) })
	list := make([]activeFault, 0, len(a.armed))
	for _, f := range a.armed {
		list = append(list, *f)
	}
	return list
}

// drop is called with the lock held.
func (a *faults) drop(which func(*activeFault) bool) int {
	before := len(a.armed)
	a.armed = slices.DeleteFunc(a.armed, which)
	return before - len(a.armed)
}

// take finds the first armed fault for a call and counts its strike.
func (a *faults) take(c *Call) *Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(func(f *activeFault) bool { return f.over(a.now()) })
	for _, f := range a.armed {
		if !f.matches(c) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Struck++
		fault := f.Fault
		return &fault
	}
	return nil
}

// strike does to a call what the fault says.
func (b *Backend) strike(w http.ResponseWriter, r *http.Request, c *Call, body []byte, f *Fault) {
	c.Fault = f.String()
	if f.Accept {
		b.handle(r, c, body, nil, f)
		b.pause(r, f.Delay)
		b.misbehave(w, r, c, f)
		return
	}
	b.pause(r, f.Delay)
	if !f.answers() && r.Context().Err() == nil {
		answer(w, b.handle(r, c, body, nil, f))
		return
	}
	c.Status = f.seenStatus()
	b.file(c)
	b.misbehave(w, r, c, f)
}

// answers reports whether the fault takes the place of the answer; a mere delay
// does not.
func (f *Fault) answers() bool { return f.Status != 0 || f.Drop || f.Hang || f.Garbage }

// seenStatus is the status that the client sees, 0 when it sees none.
func (f *Fault) seenStatus() int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.Hang, f.Garbage:
		return http.StatusOK
	}
	return 0
}

func (b *Backend) misbehave(w http.ResponseWriter, r *http.Request, c *Call, f *Fault) {
	switch {
	case f.Status != 0:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		refuse(w, f.Status, "this fault was asked for")
	case f.Hang:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		b.pause(r, maxFaultWait.Seconds())
		panic(http.ErrAbortHandler)
	case f.Garbage:
		_, _ = w.Write([]byte("\x00\xff<html>502 Bad Gateway"))
	case !f.answers():
		answer(w, c)
	default:
		panic(http.ErrAbortHandler) // the documented way to close a connection without an answer
	}
}

// pause waits, or returns early when the client leaves or the backend closes.
func (b *Backend) pause(r *http.Request, seconds float64) {
	if seconds <= 0 {
		return
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-b.closing:
	}
}
