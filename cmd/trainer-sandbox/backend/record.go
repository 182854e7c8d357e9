package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// jobRecord is what is remembered of one job.
type jobRecord struct {
	calls   []*Call
	bytes   int
	keys    map[string]*keyRecord
	best    map[string]float64 // best primary metric by name
	summary Summary
	known   bool // a call was accepted: until then there is no job, only somebody who asked
}

// keyRecord is what is remembered of one idempotency key.
type keyRecord struct {
	attempts int
	accepted *Call
}

// records are the calls that came, by job.
type records struct {
	mode    func(job, metric string) contract.MetricMode
	closing chan struct{}

	mu         sync.Mutex
	seq        int64
	jobs       map[string]*jobRecord
	changed    chan struct{} // closed and replaced whenever a call is recorded
	journal    *journal
	journalErr error // the first one; close returns it
}

// open reads back what a journal holds, and goes on in it.
func (r *records) open(path string) (err error) {
	r.journal, err = openJournal(path, maxJournalBytes, func(c *Call) {
		r.seq = max(r.seq, c.Seq)
		r.remember(c)
	})
	return err
}

func (r *records) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.journal == nil {
		return nil
	}
	err := errors.Join(r.journalErr, r.journal.file.Close())
	r.journal = nil
	return err
}

// Calls returns the calls of a job in order of arrival.
func (r *records) Calls(job string) []Call { return r.callsAfter(job, 0) }

// callsAfter returns the calls of a job, or of every job when it is empty, that
// came after seq.
func (r *records) callsAfter(job string, seq int64) []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[job]
	if j == nil {
		return nil
	}
	first, _ := slices.BinarySearchFunc(j.calls, seq+1, func(c *Call, want int64) int { return int(c.Seq - want) })
	calls := make([]Call, 0, len(j.calls)-first)
	for _, c := range j.calls[first:] {
		calls = append(calls, *c)
	}
	return calls
}

// Wait returns once predicate holds for the job's calls, or with ctx's cause.
// The predicate is asked again after every call that arrives.
func (r *records) Wait(ctx context.Context, job string, predicate func([]Call) bool) error {
	for {
		changed := r.changes()
		if predicate(r.Calls(job)) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for callbacks of job %q (%d so far): %w", job, len(r.Calls(job)), context.Cause(ctx))
		case <-r.closing:
			return fmt.Errorf("waiting for callbacks of job %q: the backend was closed", job)
		}
	}
}

// WaitFinal waits for the accepted callback that ends the job and returns it.
func (r *records) WaitFinal(ctx context.Context, job string) (Call, error) {
	var final Call
	err := r.Wait(ctx, job, func(calls []Call) bool {
		for _, c := range Accepted(calls) {
			if c.Kind.Final() {
				final = c
				return true
			}
		}
		return false
	})
	return final, err
}

// latest is the number of the call that came last.
func (r *records) latest() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// changes returns a channel that is closed when the next call is recorded.
func (r *records) changes() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// decide judges a call that was checked, and records it with the status that the client
// will see, which a fault may change.
func (r *records) decide(c *Call, payload any, status int, refused error, f *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Status = status
	if refused != nil {
		c.Problem = strings.ReplaceAll(refused.Error(), "\n", "; ")
	} else if r.judge(c, payload); c.Problem != "" {
		c.Status = http.StatusUnprocessableEntity
	}
	if f != nil && f.answers() {
		c.Status = f.seenStatus()
	}
	r.record(c)
}

// judge decides whether a valid call counts and what it is answered. Called with
// the lock held; the caller remembers the call before it lets go.
func (r *records) judge(c *Call, payload any) {
	j := r.jobs[c.Job]
	if j == nil {
		j = &jobRecord{}
	}
	if k := j.keys[c.Key]; k != nil && k.accepted != nil {
		c.Duplicate = true
		if string(k.accepted.Body) != string(c.Body) {
			c.Problem = fmt.Sprintf("Idempotency-Key %q came before with another body", c.Key)
			return
		}
		c.Reply = k.accepted.Reply
		return
	}
	c.Accepted, c.AfterFinal = true, j.summary.State.ended()
	var reply any = map[string]string{"status": "ok"}
	if v, ok := payload.(contract.Validation); ok {
		reply = contract.ValidationReply{Status: "ok", IsBest: j.isBest(r.mode(c.Job, v.PrimaryMetricName), v)}
	}
	c.Reply, _ = json.Marshal(reply) // strings and a bool always encode
}

// isBest compares a validation with the best one accepted so far.
func (j *jobRecord) isBest(mode contract.MetricMode, v contract.Validation) bool {
	value := float64(v.PrimaryMetricValue)
	if math.IsNaN(value) {
		return false
	}
	best, seen := j.best[v.PrimaryMetricName]
	return !seen || mode.Better(value, best)
}

// remember files a call. Called with the lock held, or before anybody else can
// know the Backend.
func (r *records) remember(c *Call) {
	j := r.jobs[c.Job]
	if j == nil {
		r.makeRoom()
		j = &jobRecord{keys: map[string]*keyRecord{}, best: map[string]float64{}, summary: newSummary(c)}
		r.jobs[c.Job] = j
	}
	k := j.keys[c.Key]
	if k == nil {
		k = &keyRecord{}
		j.keys[c.Key] = k
	}
	k.attempts++
	c.Attempt = k.attempts
	if c.Accepted {
		k.accepted = c
		j.known = true
		j.apply(c)
	}
	j.summary.Calls++
	j.summary.Updated = c.Time
	j.calls = append(j.calls, c)
	j.bytes += c.size()
	j.trim()
}

// makeRoom forgets the job that has been silent longest when there are too many.
func (r *records) makeRoom() {
	if len(r.jobs) < maxJobs {
		return
	}
	var oldest string
	for id, j := range r.jobs {
		if oldest == "" || j.summary.Updated.Before(r.jobs[oldest].summary.Updated) {
			oldest = id
		}
	}
	delete(r.jobs, oldest)
}

// trim forgets the oldest calls beyond the bounds, with their keys.
func (j *jobRecord) trim() {
	drop := 0
	for len(j.calls)-drop > maxCallsPerJob || (j.bytes > maxBytesPerJob && len(j.calls)-drop > 1) {
		c := j.calls[drop]
		j.bytes -= c.size()
		delete(j.keys, c.Key)
		drop++
	}
	if drop > 0 {
		j.calls = slices.Delete(j.calls, 0, drop)
		j.summary.Dropped += drop
	}
}

// record numbers a call, files it and wakes those who wait. Called with the lock held.
func (r *records) record(c *Call) {
	r.seq++
	c.Seq = r.seq
	r.remember(c)
	if r.journal != nil {
		if err := r.journal.append(c); err != nil && r.journalErr == nil {
			r.journalErr = err
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// file records a call that was not judged.
func (r *records) file(c *Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record(c)
}
