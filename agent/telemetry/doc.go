// Package telemetry tells what happened: structured log lines on stderr, the
// child's output in training.log, result.json and
// the termination message, and metrics for a scraper.
//
// It promises that no secret passes through it and that no file it writes grows
// without bound. Deciding what happened is left to diagnose, delivering it to
// the outbox.
package telemetry
