package backend

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Call is one request to a callback path, whatever became of it.
type Call struct {
	Seq    int64         `json:"seq"` // 1, 2, 3 … over all jobs
	Job    string        `json:"job"`
	Kind   contract.Kind `json:"kind"`
	Path   string        `json:"path"`
	Time   time.Time     `json:"time"` // of arrival
	Header http.Header   `json:"headers"`
	// Body is the body when it is JSON, else a JSON string of it.
	Body json.RawMessage `json:"body"`

	Key     string `json:"idempotency_key"`
	Attempt int    `json:"attempt"` // how often this key has come, this call included
	// Duplicate: a call with this key was accepted before; this one changed nothing.
	Duplicate bool `json:"duplicate"`
	// AfterFinal: the job's last callback had been accepted before.
	AfterFinal bool            `json:"after_final,omitempty"`
	Status     int             `json:"status"`            // answered; 0 = the connection was dropped
	Accepted   bool            `json:"accepted"`          // it counts: valid, first of its key
	Problem    string          `json:"problem,omitempty"` // why it was refused
	Fault      string          `json:"fault,omitempty"`   // what was done to it on demand
	Reply      json.RawMessage `json:"reply,omitempty"`
}

// Decode reads the body into v, a payload of package contract.
func (c Call) Decode(v any) error { return json.Unmarshal(c.Body, v) }

// size is the memory that the call is charged for, in bytes.
func (c *Call) size() int { return 1024 + len(c.Body) + len(c.Reply) }

// Accepted picks the calls that count, of the kinds given or of all.
func Accepted(calls []Call, kinds ...contract.Kind) []Call {
	var picked []Call
	for _, c := range calls {
		if c.Accepted && (len(kinds) == 0 || slices.Contains(kinds, c.Kind)) {
			picked = append(picked, c)
		}
	}
	return picked
}

// Events picks the accepted events of the type.
func Events(calls []Call, eventType contract.EventType) []contract.Event {
	var picked []contract.Event
	for _, c := range Accepted(calls, contract.KindEvent) {
		var e contract.Event
		if c.Decode(&e) == nil && e.EventType == eventType {
			picked = append(picked, e)
		}
	}
	return picked
}

// recordHeader copies a request's header, without the token.
func recordHeader(h http.Header) http.Header {
	kept := h.Clone()
	if auth := kept.Get(contract.HeaderAuthorization); auth != "" {
		scheme, _, _ := strings.Cut(auth, " ")
		kept.Set(contract.HeaderAuthorization, scheme+" ***")
	}
	return kept
}

// bodyJSON is the body as compact JSON, or a JSON string of it when it is none.
func bodyJSON(body []byte) json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		return compact.Bytes()
	}
	text, _ := json.Marshal(string(body)) // a string always encodes
	return text
}
