package proofs

import (
	"context"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// theirs lets people at the submissions that they may see.
type theirs struct {
	door.Gate
	records *submission.Records
}

// own returns a submission that the caller may see: one's own, one of an organisation of
// theirs, or any for the operator. Another's is not found, as if it was not there.
func (t theirs) own(ctx context.Context, c door.Credentials, scope, id string) (submission.Submission, login.Principal, error) {
	p, err := t.Who(ctx, c, scope)
	if err != nil {
		return submission.Submission{}, p, err
	}
	at, err := t.records.Get(ctx, id)
	if err == nil && !p.Operator() {
		err = t.seen(ctx, p, at)
	}
	if err != nil {
		return at, p, door.Known(t.Log, err)
	}
	return at, p, nil
}

func (t theirs) seen(ctx context.Context, p login.Principal, at submission.Submission) error {
	sees, err := t.records.Sees(ctx, p.ID, at)
	if err == nil && !sees {
		err = submission.ErrNotFound
	}
	return err
}

// full is a submission with its steps and its newest appeal.
func (t theirs) full(ctx context.Context, at submission.Submission) (*struct{ Body Validation }, error) {
	steps, err := t.records.Steps(ctx, at)
	if err != nil {
		return nil, door.Known(t.Log, err)
	}
	v := view(at, steps)
	list, err := t.records.Appeals(ctx, at.ID, false, store.Newest(), 1)
	if err != nil {
		return nil, door.Known(t.Log, err)
	}
	if len(list) > 0 {
		v.Appeal = &list[0]
	}
	return &struct{ Body Validation }{v}, nil
}
