// Package scan looks at an uploaded trainer package before any of its code runs, outside of
// every isolation: at the immutable bytes, with rules and databases of known dangers. It
// promises that a scanner that is missing or fails is a finding that says so, never a pass,
// and that every finding names its rule, file, line and fix. It leaves the package's form to
// trainers/kit and what follows from a finding to hub/.
package scan
