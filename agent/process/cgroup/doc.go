// Package cgroup gives the training a cgroup of its own, where that is permitted.
//
// It promises that everything inside ends with one write, however fast it forks, and
// that what a killed agent left is swept away. Memory and CPU stay accounted where
// they were.
package cgroup
