package contract

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

// Kind is a callback of section 4 of the contract.
type Kind string

// Every callback that the backend answers and the relay serves.
const (
	KindHeartbeat         Kind = "heartbeat"
	KindEvent             Kind = "event"
	KindValidation        Kind = "validation"
	KindDone              Kind = "done"
	KindInferenceProgress Kind = "inference_progress"
	KindTestRunDone       Kind = "test_run_done"
	KindInferenceDone     Kind = "inference_done"
	KindExportProgress    Kind = "export_progress"
	KindExportDone        Kind = "export_done"
)

// Kinds lists every callback.
var Kinds = []Kind{
	KindHeartbeat, KindEvent, KindValidation, KindDone, KindInferenceProgress,
	KindTestRunDone, KindInferenceDone, KindExportProgress, KindExportDone,
}

var kindPaths = map[Kind]string{
	KindHeartbeat:         "/api/v1/jobs/{id}/heartbeat",
	KindEvent:             "/api/v1/jobs/{id}/event",
	KindValidation:        "/api/v1/jobs/{id}/validation",
	KindDone:              "/api/v1/jobs/{id}/done",
	KindInferenceProgress: "/api/v1/inference/{id}/progress",
	KindTestRunDone:       "/api/v1/test-runs/{id}/done",
	KindInferenceDone:     "/api/v1/inference/jobs/{id}/done",
	KindExportProgress:    "/api/v1/export/jobs/{id}/progress",
	KindExportDone:        "/api/v1/export/jobs/{id}/done",
}

// Pattern returns the path with "{id}" in place of the job id, as net/http's
// ServeMux takes it.
func (k Kind) Pattern() string { return kindPaths[k] }

// Path returns the path of the callback for one job.
func (k Kind) Path(jobID string) string {
	return strings.Replace(kindPaths[k], "{id}", url.PathEscape(jobID), 1)
}

// Final reports whether the callback ends a job: it is the last one delivered.
func (k Kind) Final() bool {
	switch k {
	case KindDone, KindTestRunDone, KindInferenceDone, KindExportDone:
		return true
	}
	return false
}

// FinalKind is the callback that ends a job of this type.
func FinalKind(t JobType, inference InferenceType) Kind {
	switch {
	case t == JobExport:
		return KindExportDone
	case t == JobInference && inference == InferenceTestRun:
		return KindTestRunDone
	case t == JobInference:
		return KindInferenceDone
	}
	return KindDone
}

// Header names of every callback.
const (
	HeaderAuthorization  = "Authorization" // "Bearer {token}"
	HeaderTraceID        = "X-Trace-ID"
	HeaderIdempotencyKey = "Idempotency-Key" // "{job}:{sequence}", the same on every retry
	// HeaderNonFinite is the SDK's mark, for the relay alone: a JSON list of the metrics
	// that were NaN or infinite, which it writes as null so that its bodies are JSON for everybody.
	HeaderNonFinite = "X-Non-Finite"
)

// Message is one callback on its way to the backend.
type Message struct {
	Kind    Kind            `json:"kind"`
	Body    json.RawMessage `json:"body"` // a JSON object, already valid for Kind
	Time    time.Time       `json:"time"` // when it happened, which is the body's timestamp
	Payload any             `json:"-"`    // Body decoded once, a value as Decode returns it (large tables may be in the body alone); nil in a message read from disk
}

// NewMessage encodes a payload.
func NewMessage(kind Kind, payload any, at time.Time) (Message, error) {
	body, err := json.Marshal(payload)
	return Message{Kind: kind, Body: body, Time: at, Payload: payload}, err
}
