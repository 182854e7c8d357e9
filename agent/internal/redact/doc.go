// Package redact takes secrets out of whatever leaves the agent: the log, the
// child's output, results, events and diagnoses all go through one Redactor.
//
// It promises that a secret is found as it is, with JSON's and URL's escapes in
// any mixture and either case of hex, base64-encoded at any alignment, and where
// it is cut by the border between two writes; and that the user and password of a
// URL are hidden whether they are known or not. Everything else passes unchanged,
// and a stream holds back only what may still turn out to be the beginning of a
// secret. What the secrets are is the caller's to say.
//
// Not found: a secret that is encrypted, compressed, encoded as hex, broken into
// lines by a base64 encoder, or cut into pieces that are written apart.
package redact
