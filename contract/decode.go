package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// decoders make the payload of each kind, as a value of its type.
var decoders = map[Kind]func(*json.Decoder) (any, error){
	KindHeartbeat:         decode[Heartbeat],
	KindEvent:             decode[Event],
	KindValidation:        decode[Validation],
	KindDone:              decode[Done],
	KindInferenceProgress: decode[InferenceProgress],
	KindTestRunDone:       decode[TestRunDone],
	KindInferenceDone:     decode[InferenceDone],
	KindExportProgress:    decode[ExportProgress],
	KindExportDone:        decode[ExportDone],
}

func decode[T any](from *json.Decoder) (any, error) {
	var payload T
	err := from.Decode(&payload)
	return payload, err
}

// Decode returns the payload of a callback's body as a value of the kind's type:
// Heartbeat, Event, Validation, Done and so on. The body is one that was checked.
func Decode(kind Kind, body []byte) (any, error) { return decodePayload(kind, body, false) }

func decodePayload(kind Kind, body []byte, strict bool) (any, error) {
	read := decoders[kind]
	if read == nil {
		return nil, fmt.Errorf("there is no callback %q", kind)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if strict {
		dec.DisallowUnknownFields()
	}
	payload, err := read(dec)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return payload, nil
}

// WithNonFinite returns a payload whose metrics of these names are NaN. In a body
// they are null, like those that are merely absent; the relay, which saw what the
// trainer really sent, knows which is which.
func WithNonFinite(payload any, names []string) any {
	if len(names) == 0 {
		return payload
	}
	mark := func(m *Metrics) {
		if *m == nil {
			*m = Metrics{}
		}
		for _, name := range names {
			(*m)[name] = Number(math.NaN())
		}
	}
	switch p := payload.(type) {
	case Heartbeat:
		mark(&p.Metrics)
		return p
	case Validation:
		mark(&p.Metrics)
		return p
	}
	return payload
}

// Decoded returns the payload: the one that came with the message, or of one that
// was read from disk its body's. It is nil for a body that is none of its kind.
func (m Message) Decoded() any {
	if m.Payload != nil {
		return m.Payload
	}
	payload, err := Decode(m.Kind, m.Body)
	if err != nil {
		return nil
	}
	return payload
}
