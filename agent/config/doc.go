// Package config reads the environment, once, into one typed struct and turns it
// into a contract.Job and the agent's settings.
//
// It promises to report every problem together, each with the variable, its
// value (secrets masked), what is expected and an example, and never to print a
// secret. Opening stores, files and sockets by these settings is left to the
// rooms that own them.
package config
