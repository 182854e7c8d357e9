package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// jobRecord is what is remembered of one job.
type jobRecord struct {
	calls   []*Call
	bytes   int
	keys    map[string]*keyRecord
	best    map[string]float64 // best primary metric by name
	summary Summary
}

// keyRecord is what is remembered of one idempotency key.
type keyRecord struct {
	attempts int
	accepted *Call
}

// Calls returns the calls of a job in order of arrival.
func (b *Backend) Calls(job string) []Call { return b.callsAfter(job, 0) }

// callsAfter returns the calls of a job, or of every job when it is empty, that
// came after seq.
func (b *Backend) callsAfter(job string, seq int64) []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[job]
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
func (b *Backend) Wait(ctx context.Context, job string, predicate func([]Call) bool) error {
	for {
		changed := b.changes()
		if predicate(b.Calls(job)) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for callbacks of job %q (%d so far): %w", job, len(b.Calls(job)), context.Cause(ctx))
		case <-b.closing:
			return fmt.Errorf("waiting for callbacks of job %q: the backend was closed", job)
		}
	}
}

// WaitFinal waits for the accepted callback that ends the job and returns it.
func (b *Backend) WaitFinal(ctx context.Context, job string) (Call, error) {
	var final Call
	err := b.Wait(ctx, job, func(calls []Call) bool {
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

// changes returns a channel that is closed when the next call is recorded.
func (b *Backend) changes() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// judge decides whether a valid call counts and what it is answered. Called with
// the lock held; the caller remembers the call before it lets go.
func (b *Backend) judge(c *Call, payload any) {
	j := b.jobs[c.Job]
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
		reply = contract.ValidationReply{Status: "ok", IsBest: b.isBest(j, c.Job, v)}
	}
	c.Reply, _ = json.Marshal(reply) // strings and a bool always encode
}

// isBest compares a validation with the best one accepted so far.
func (b *Backend) isBest(j *jobRecord, job string, v contract.Validation) bool {
	value := float64(v.PrimaryMetricValue)
	if math.IsNaN(value) {
		return false
	}
	best, seen := j.best[v.PrimaryMetricName]
	return !seen || b.mode(job, v.PrimaryMetricName).Better(value, best)
}

// remember files a call. Called with the lock held, or before anybody else can
// know the Backend.
func (b *Backend) remember(c *Call) {
	j := b.jobs[c.Job]
	if j == nil {
		b.makeRoom()
		j = &jobRecord{keys: map[string]*keyRecord{}, best: map[string]float64{}, summary: newSummary(c)}
		b.jobs[c.Job] = j
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
		j.apply(c)
	}
	j.summary.Calls++
	j.summary.Updated = c.Time
	j.calls = append(j.calls, c)
	j.bytes += c.size()
	j.trim()
}

// makeRoom forgets the job that has been silent longest when there are too many.
func (b *Backend) makeRoom() {
	if len(b.jobs) < maxJobs {
		return
	}
	var oldest string
	for id, j := range b.jobs {
		if oldest == "" || j.summary.Updated.Before(b.jobs[oldest].summary.Updated) {
			oldest = id
		}
	}
	delete(b.jobs, oldest)
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
