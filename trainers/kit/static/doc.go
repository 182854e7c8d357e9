// Package static looks at a trainer package without running it: steps that would install
// or start something else than the package, programs that nobody can read, and files that
// run when they are loaded. It promises that every finding names its file and line and
// that a package of any size is read in bounded time. It leaves secrets, malware and known
// vulnerabilities to those who have databases of them.
package static
