package redact

import (
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// Failure returns a failure without secrets in its texts; nil is none.
func (r *Redactor) Failure(f *contract.Failure) *contract.Failure {
	if f == nil {
		return nil
	}
	clean := *f
	clean.Message, clean.Hint = r.String(f.Message), r.String(f.Hint)
	clean.Evidence = r.Strings(slices.Clone(f.Evidence))
	return &clean
}
