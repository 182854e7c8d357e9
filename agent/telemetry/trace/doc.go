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
// # Why not the SDK
//
// OpenTelemetry's SDK with its OTLP exporter adds 5.5 MB to an agent of 24 MB,
// and without the exporter 1.1 MB. Ten spans of a job need a page of protobuf
// (OTLP 1, opentelemetry/proto/trace/v1/trace.proto), one POST and a retry; the
// tests read it back with the official types.
//
// # What of the specification is here
//
// OTLP over HTTP in binary protobuf, which every OTLP/HTTP collector takes;
// a collector that is configured for http/json gets it too, and grpc is refused
// with a warning. Every trace is sampled unless the sampler is always_off: one
// job is a dozen spans. Client certificates are not supported.
package trace
