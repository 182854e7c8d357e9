//go:build !linux

package reap

const maxRSSUnit = 1 // getrusage(2) on the BSDs and darwin: bytes
