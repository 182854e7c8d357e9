package door

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

// Problem answers with an RFC 9457 problem.
func Problem(w http.ResponseWriter, status int, detail string, errs ...error) {
	Answer(w, huma.NewError(status, detail, errs...))
}

// Answer writes an error of this package as huma writes it.
func Answer(w http.ResponseWriter, err error) {
	var status huma.StatusError
	if !errors.As(err, &status) {
		status = huma.Error500InternalServerError("the hub met a bug of its own")
	}
	body, _ := json.Marshal(status) // of strings and numbers
	w.Header().Set("Content-Type", "application/problem+json")
	if code := status.GetStatus(); code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(status.GetStatus())
	_, _ = w.Write(body)
}

// retryAfter is how many seconds a client waits before it asks again.
const retryAfter = "5"

// Field names what an error is about, such as body.metadata.version.
func Field(location, message string) error {
	return &huma.ErrorDetail{Location: location, Message: message}
}

// Known is what the rooms say, as the status that a client understands. What is
// not known is the hub's own trouble: the log has it, the client hears that it
// may ask again.
func Known(log *slog.Logger, err error) error {
	var refusal *submission.Refusal
	var withdrawn *catalog.Refusal
	var wrong *usage.Wrong
	var status huma.StatusError
	switch {
	case errors.As(err, &status):
		return status
	case errors.As(err, &withdrawn) && withdrawn.Gone:
		return huma.NewError(http.StatusGone, withdrawn.Text)
	case errors.As(err, &withdrawn) && withdrawn.Foreign:
		return huma.Error403Forbidden(withdrawn.Text)
	case errors.As(err, &withdrawn):
		return huma.Error409Conflict(withdrawn.Text)
	case errors.As(err, &refusal) && refusal.Quota:
		return huma.Error403Forbidden(refusal.Text)
	case errors.As(err, &refusal) && refusal.Field == "":
		return huma.Error409Conflict(refusal.Text)
	case errors.As(err, &refusal):
		status := http.StatusUnprocessableEntity
		return huma.NewError(status, refusal.Text, Field("body.metadata."+refusal.Field, refusal.Text))
	case errors.Is(err, submission.ErrNotFound), errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrWithdrawn), errors.Is(err, registry.ErrNotFound), errors.Is(err, notify.ErrNotFound), errors.Is(err, submission.ErrNoAppeal):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, submission.ErrEnded), errors.Is(err, submission.ErrOpen), errors.Is(err, submission.ErrSucceeded), errors.Is(err, submission.ErrPublishing):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, submission.ErrExpired):
		return huma.NewError(http.StatusGone, err.Error())
	case errors.Is(err, submission.ErrLeaving):
		return busy(err.Error() + ": nothing was changed, try again in a moment")
	case errors.As(err, &wrong):
		return huma.Error422UnprocessableEntity("the callback is not what the contract says", Field("body.body", wrong.Error()))
	case errors.Is(err, login.ErrUnknown):
		return huma.Error401Unauthorized(err.Error())
	case errors.Is(err, blob.ErrFull):
		return huma.NewError(http.StatusInsufficientStorage, "the hub's disk is full: its operator has to make room below its data folder; nothing of the upload was kept")
	default:
		log.Error("a request could not be answered", "error", err)
		return busy("the hub's database or store cannot be reached: nothing was changed, try again in a moment")
	}
}

// busy may be asked again.
func busy(text string) error {
	return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(text), http.Header{"Retry-After": {retryAfter}})
}
