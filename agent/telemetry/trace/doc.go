// Package trace tells an OpenTelemetry collector where a job's time went: one
// span for the job and one below it for each phase, under the job's TRACE_ID,
// when the environment names a collector by OpenTelemetry's own variables.
//
// It promises that tracing never delays or fails a job: Enter takes a lock and
// no network, what waits for a silent collector is bounded, End keeps to its
// context, and a nil Tracer does nothing. Headers of the exporter, which carry
// keys, are sent to the collector and go nowhere else. It leaves to others what
// the phases are and why one of them failed.
//
// Spans, ids and OTLP are OpenTelemetry's SDK and its HTTP exporter. What is ours
// is patience: the exporter gives up at a refused connection, and a collector is
// often restarted during a job of a day.
//
// # What of the specification is here
//
// OTLP over HTTP, in binary protobuf or, where OTEL_EXPORTER_OTLP_PROTOCOL says
// http/json, in JSON; grpc is refused with a warning. Every trace is sampled unless the sampler is always_off: one
// job is a dozen spans. Client certificates are not supported.
package trace
