package gpu

import (
	"os"
	"path/filepath"
	"strings"
)

// wanted says whether a probe makes sense here: a driver's control device, or a
// container runtime that was told to bring GPUs.
func wanted(root string, env []string) bool {
	if _, err := os.Stat(filepath.Join(root, "dev/nvidiactl")); err == nil {
		return true
	}
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, "NVIDIA_VISIBLE_DEVICES="); ok {
			return value != "" && value != "void" && value != "none"
		}
	}
	return false
}

// ProbeEnv is all that the probe gets of the agent's environment: where the
// driver's library is and which devices were asked for. No credential and no
// LD_PRELOAD rides along into the driver's process.
func ProbeEnv(env []string) []string {
	var out []string
	for _, kv := range env {
		for _, keep := range []string{"PATH=", "LD_LIBRARY_PATH=", "NVIDIA_", "LANG=", "LC_ALL=", "TZ="} {
			if strings.HasPrefix(kv, keep) {
				out = append(out, kv)
				break
			}
		}
	}
	return out
}
