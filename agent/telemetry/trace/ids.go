package trace

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// idsOf makes the ids of spans of one trace.
type idsOf trace.TraceID

// NewIDs is of sdktrace.IDGenerator.
func (t idsOf) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	return trace.TraceID(t), t.NewSpanID(ctx, trace.TraceID(t))
}

// NewSpanID is of sdktrace.IDGenerator.
func (idsOf) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	_, _ = rand.Read(id[:]) // never fails, by its documentation
	return id
}

// traceIDOf maps a TRACE_ID to the 16 bytes of W3C trace context: 32 hex digits
// as they are, also with the hyphens of a UUID; 16 hex digits with zeros before
// them, as B3 does; anything else by its SHA-256, so that one who knows the
// TRACE_ID can find the trace.
func traceIDOf(text string) (id trace.TraceID) {
	digits := strings.ToLower(strings.ReplaceAll(text, "-", ""))
	if len(digits) == 16 {
		digits = strings.Repeat("0", 16) + digits
	}
	if b, err := hex.DecodeString(digits); err == nil && len(b) == len(id) && trace.TraceID(b).IsValid() {
		return trace.TraceID(b)
	}
	sum := sha256.Sum256([]byte(text))
	return trace.TraceID(sum[:16])
}

// parentOf reads a TRACEPARENT ("00-{trace}-{span}-{flags}") if it belongs to the
// trace; else the result is not valid.
func parentOf(header string, of trace.TraceID) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": header}
	parent := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
	if parent.TraceID() != of {
		return trace.SpanContext{}
	}
	return parent
}

// traceparent is the header of a span.
func traceparent(of trace.SpanContext) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), of), carrier)
	return carrier["traceparent"]
}
