package job

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/contract"
)

// lists are the child's variables that grow with the dataset. The kernel refuses to
// start a program with a longer string than 128 KiB.
var lists = []string{"CLASS_NAMES", "IMAGE_FILES", "IMAGE_PATHS", "SPLIT_STRATEGY", "CONFIG_JSON"}

// Lists is where the lists lie that are too long for an environment.
func (w Workspace) Lists() string { return filepath.Join(w.Root, "lists") }

// Shorten puts each list of a child's environment that is too long into a file and
// passes NAME_FILE in place of NAME (contract, section 3).
func (w Workspace) Shorten(env []string) ([]string, error) {
	out := slices.Clone(env)
	for i, pair := range out {
		name, value, _ := strings.Cut(pair, "=")
		if len(value) <= contract.MaxListBytes || !slices.Contains(lists, name) {
			continue
		}
		file := filepath.Join(w.Lists(), strings.ToLower(name)+".json")
		if err := os.MkdirAll(w.Lists(), 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of long lists: %w", err)
		}
		if err := atomicfile.Write(file, []byte(value), 0o644); err != nil {
			return nil, fmt.Errorf("writing %s, which is too long for an environment: %w", name, err)
		}
		out[i] = name + "_FILE=" + file
	}
	return out, nil
}
