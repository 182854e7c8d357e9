// Package isolation decides what a job's child is kept from, and finds out at the start
// whether that holds: a helper that runs as the child will tries to open every file of
// credentials.
//
// It promises that what can be opened is said, with its cure, before anything is
// downloaded, or refused where AGENT_REQUIRE_ISOLATION asks for it. It leaves the means
// to agent/process/confine and to the file system's own rights.
package isolation
