// Package contract holds the words that the agent, the platform backend, the
// object store and the trainers share: environment names, callback payloads,
// object keys, dataset terms, failure codes and exit codes.
//
// It does no I/O and imports nothing of this module, so every other package may
// import it. It promises that a payload written here is accepted by the backend
// and that a code written here has exactly one meaning; it leaves reading the
// environment to agent/config and moving bytes to everybody else.
package contract
