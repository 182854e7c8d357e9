package trace

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/vision-platform/trainer-agent/contract"
)

// span is one stretch of a job.
type span struct {
	id, parent spanID
	name       string
	start, end time.Time
	failed     bool
	message    string // of the failure
	attributes map[string]any
}

// encode writes an ExportTraceServiceRequest. The numbers are the field numbers
// of OTLP's common.proto, resource.proto and trace.proto, which never change.
func encode(trace traceID, resource map[string]any, spans []span) []byte {
	var scope []byte
	scope = text(scope, 1, "github.com/vision-platform/trainer-agent")
	scope = text(scope, 2, contract.Version)

	scopeSpans := nested(nil, 1, scope)
	for _, s := range spans {
		scopeSpans = nested(scopeSpans, 2, s.encode(trace))
	}
	resourceSpans := nested(nil, 1, attributes(nil, 1, resource))
	resourceSpans = nested(resourceSpans, 2, scopeSpans)
	return nested(nil, 1, resourceSpans)
}

const (
	kindInternal = 1
	statusError  = 2
	sampled      = 1
)

func (s span) encode(trace traceID) []byte {
	b := nested(nil, 1, trace[:])
	b = nested(b, 2, s.id[:])
	if s.parent != (spanID{}) {
		b = nested(b, 4, s.parent[:])
	}
	b = text(b, 5, s.name)
	b = number(b, 6, kindInternal)
	b = instant(b, 7, s.start)
	b = instant(b, 8, s.end)
	b = attributes(b, 9, s.attributes)
	if s.failed {
		status := text(nil, 2, s.message)
		b = nested(b, 15, number(status, 3, statusError))
	}
	b = protowire.AppendTag(b, 16, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, sampled)
}

// attributes writes a KeyValue for each entry: strings and whole numbers.
func attributes(b []byte, field protowire.Number, values map[string]any) []byte {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		var value []byte
		switch v := values[key].(type) {
		case int:
			value = number(nil, 3, uint64(v))
		case string:
			value = text(nil, 1, v)
		}
		pair := text(nil, 1, key)
		b = nested(b, field, nested(pair, 2, value))
	}
	return b
}

func nested(b []byte, field protowire.Number, inner []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), inner)
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func number(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func instant(b []byte, field protowire.Number, at time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), uint64(at.UnixNano()))
}
