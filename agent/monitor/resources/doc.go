// Package resources watches what the container runs out of: memory against its
// cgroup's limit (v1 and v2), processor, the workspace's disk, /dev/shm and the
// kernel's count of processes killed for memory.
//
// It promises that a value it cannot read is absent and never zero, that one
// sample costs a dozen small file reads, and that a resource_warning comes before
// the thing breaks. It leaves the judgement of a finished run to agent/diagnose
// and the sending of heartbeats and events to agent.go.
package resources
