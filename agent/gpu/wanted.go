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

// probeEnv takes LD_PRELOAD out: a preloaded library must not ride along into
// the driver's process.
func probeEnv(env []string) []string {
	out := make([]string, 0, len(env))
	for _, kv := range env {
		if !strings.HasPrefix(kv, "LD_PRELOAD=") {
			out = append(out, kv)
		}
	}
	return out
}
