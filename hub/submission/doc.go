// Package submission knows the way of an uploaded trainer package: its states, who
// may move it, what is to be done next, and what was seen on the way.
//
// It promises that every change of state is one transaction (state, event, task
// and a line of the audit log), so that a hub that is killed at any moment finds
// each submission in exactly one state with exactly one thing to do; that a name
// and a version belong to one package for ever; and that whoever lost a lease
// changes nothing. It leaves the work of each state to the hub, and the bytes to
// hub/blob.
package submission

import (
	"errors"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Desk is all that is done with the submissions of a hub, by who does it.
type Desk struct {
	Records *Records // who looks
	Intake  *Intake  // who uploads
	Acts    *Acts    // authors and the operator
	Appeals *Appeals // who was rejected, and the operator
	Queue   *Queue   // workers
	Expiry  *Expiry  // packages that may go
	Output  *Output  // what a worker's steps write, for who looks
	Bell    *Bell    // that wakes who waits for a change
}

// New returns the desk of a database.
func New(db *store.DB, now func() time.Time) *Desk {
	bell, output := newBell(), &Output{of: map[string]*live{}}
	j := journal{db, now, bell}
	return &Desk{Records: &Records{db}, Intake: &Intake{journal: j}, Acts: &Acts{j}, Appeals: &Appeals{j}, Queue: &Queue{j, output}, Expiry: &Expiry{j}, Output: output, Bell: bell}
}

// Submission is one uploaded package on its way.
type Submission struct {
	ID      string
	Name    string
	Version string
	SHA256  string
	Size    int64
	Owner   string // a user's id
	Author  string // the owner's name
	Holder  string // whom the trainer belongs to: the owner, or an organisation
	DryRun  bool
	State   State
	Reason  string // why it ended
	Step    string // that is being taken
	Attempt int64  // from 1
	Created int64  // milliseconds since 1970, as is Updated
	Updated int64
	Expired int64 // when its package was given up; 0 while it is kept
}

// What a caller may have done wrong.
var (
	ErrNotFound   = errors.New("there is no such submission")
	ErrLost       = errors.New("the lease of the submission was lost")
	ErrEnded      = errors.New("the submission has ended")
	ErrOpen       = errors.New("the submission is still on its way")
	ErrSucceeded  = errors.New("the submission has succeeded: there is nothing to try again")
	ErrPublishing = errors.New("the submission is being published, which takes moments and cannot be cancelled")
)
