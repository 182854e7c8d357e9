package gpu

import (
	"os"
	"path/filepath"
	"slices"
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
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case name == "PATH" || name == "LD_LIBRARY_PATH":
			if folders := absolute(value); folders != "" {
				out = append(out, name+"="+folders)
			}
		case name == "LANG" || name == "LC_ALL" || name == "TZ" || strings.HasPrefix(name, "NVIDIA_"):
			out = append(out, kv)
		}
	}
	return out
}

// absolute leaves the folders of a list that mean the same wherever a program runs. An
// empty one is the working directory, in which somebody may plant a library.
func absolute(list string) string {
	folders := strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ';' }) // the loader takes both
	return strings.Join(slices.DeleteFunc(folders, func(dir string) bool { return !filepath.IsAbs(dir) }), ":")
}
