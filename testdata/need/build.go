package need

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// BuildFlags are those of make build, so that its compiled packages are used again:
// on a fresh machine another set of flags costs minutes. What is built needs CGO_ENABLED=0.
func BuildFlags() []string { return []string{"-tags", "grpcnotrace", "-trimpath"} }

// Build builds programs of this repository, static as make build does, at a path or into a folder that ends with a slash.
func Build(path string, packages ...string) error {
	args := append([]string{"build"}, BuildFlags()...)
	build := exec.CommandContext(context.Background(), "go", append(append(args, "-o", path), packages...)...)
	build.Dir, build.Env = Repository(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %v: %w\n%s", packages, err, out)
	}
	return nil
}
