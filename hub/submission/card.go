package submission

import (
	"context"
	"encoding/json"
	"fmt"
)

// Metadata is what the author said of a submission beside the package, "{}" for nothing.
func (r *Records) Metadata(ctx context.Context, id string) (json.RawMessage, error) {
	var text string
	if err := r.db.QueryRowContext(ctx, `SELECT metadata FROM submissions WHERE id = $1`, id).Scan(&text); err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	if text == "" {
		text = "{}"
	}
	return json.RawMessage(text), nil
}

// Behind returns the submission that a published version was, or ErrNotFound.
func (r *Records) Behind(ctx context.Context, name, version string) (Submission, error) {
	return scan(r.db.QueryRowContext(ctx, `SELECT `+columns+` FROM submissions WHERE id = (SELECT submission_id FROM versions WHERE name = $1 AND version = $2)`, name, version))
}
