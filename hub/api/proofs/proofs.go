// Package proofs is what people and programs see of a submission and do to it: its
// state, its steps as they are taken, its log, and appeals.
//
// It promises that nobody sees or touches another's submission. It leaves the way of
// a submission to hub/submission.
package proofs

import (
	"context"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// Proofs are the submissions and what becomes of them.
type Proofs struct{ Submissions *submission.Desk }

// Register puts the handlers in. Streams end with ctx.
func (p Proofs) Register(ctx context.Context, d door.Door) {
	own := theirs{d.Gate, p.Submissions.Records}
	validations{own, p.Submissions.Acts}.register(d.Doc)
	appeals{own, p.Submissions.Appeals}.register(d.Doc)
	streams{own, p.Submissions.Bell, ctx, door.NewAtOnce(maxFollowing)}.register(d)
	logs{own, p.Submissions.Output}.register(d)
}
