// Package relay is what the child talks to: an HTTP server on loopback with the
// callback paths of section 4 of the contract, so that a trainer written against
// the platform's own client runs unchanged.
//
// It promises that a message answered with 200 is accepted by the outbox (on
// disk), that what it passes on is valid JSON of the right types, with NaN and
// ±Inf as null and unknown fields marked (`"source": "trainer"`), and that no child, however hostile,
// makes it use more than a bounded amount of memory, connections or time. It
// leaves delivery to the outbox and the end of the job to agent.go.
//
// # The child's own final message
//
// A done (or test run, inference or export done) of the child is answered with
// 200, kept on disk and shown to Observe, but not forwarded: a checkpoint may
// still be on its way up and the child may still crash in its last line. The
// agent sends the one final message, with what the child said in it.
//
// # is_best
//
// A validation is answered with the backend's is_best when that comes within
// the deadline. Else the relay answers what Judge says, who knows the job's history: a
// finite value that beats the best so far is best, the first finite one too, an equal
// one only for the epoch that is the best already. When the backend's answer, in time
// or late, differs, a log line says so (Delivered).
package relay
