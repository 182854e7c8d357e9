// Package delivery carries one message at a time to the backend.
//
// It promises the retry table of the contract's section 4: what may be accepted later is
// tried again under the same key, with full jitter and a bound on every wait and try;
// the token is read again when it is refused, and follows no redirect. Which message goes
// when, and what becomes of one that is refused, is the outbox's.
package delivery
