package trace

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

type (
	traceID [16]byte
	spanID  [8]byte
)

// traceIDOf maps a TRACE_ID to the 16 bytes of W3C trace context: 32 hex digits
// as they are, also with the hyphens of a UUID; 16 hex digits with zeros before
// them, as B3 does; anything else by its SHA-256, so that whoever knows the
// TRACE_ID can find the trace.
func traceIDOf(text string) (id traceID) {
	digits := strings.ToLower(strings.ReplaceAll(text, "-", ""))
	if len(digits) == 16 {
		digits = strings.Repeat("0", 16) + digits
	}
	if b, err := hex.DecodeString(digits); err == nil && len(b) == len(id) && traceID(b) != id {
		return traceID(b)
	}
	sum := sha256.Sum256([]byte(text))
	return traceID(sum[:16])
}

// parentOf reads a traceparent header ("00-{trace}-{span}-{flags}") and returns
// its span if it belongs to the trace; else the zero span, which is none.
func parentOf(traceparent string, of traceID) (parent spanID) {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[1] != hex.EncodeToString(of[:]) {
		return parent
	}
	if b, err := hex.DecodeString(parts[2]); err == nil && len(b) == len(parent) {
		return spanID(b)
	}
	return parent
}

// traceparent is the header of a span that is sampled.
func traceparent(trace traceID, span spanID) string {
	return "00-" + hex.EncodeToString(trace[:]) + "-" + hex.EncodeToString(span[:]) + "-01"
}
