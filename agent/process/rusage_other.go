//go:build !linux

package process

const maxRSSUnit = 1 // getrusage(2) on the BSDs and darwin: bytes
