//go:build !cgo || !linux

package main

import (
	"encoding/json"
	"os"

	"github.com/vision-platform/trainer-agent/contract"
)

// Without cgo there is no way to the driver's library; the reader is told so in
// the probe's own words.
func main() {
	_ = json.NewEncoder(os.Stdout).Encode(contract.ProbeLine{
		Type: contract.ProbeFatal, Reason: "this trainer-gpu was built without cgo and can't load the NVIDIA driver's library",
	})
	os.Exit(contract.ProbeExitFatal)
}
