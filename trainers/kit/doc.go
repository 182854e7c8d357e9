// Package kit is about trainer packages (contract, section 9): it writes a
// new one, stands in for the platform when one is tried at a desk, and checks one
// as the platform does with an upload.
//
// It promises that a new package trains at once and passes the platform's
// validation, and that no validation step is called passed without having run.
// It leaves the job itself to the agent, which is started as a process.
package kit
