package checkpoints

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary executes itself as the writer of checkpoints.
func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		if err := writerMain(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
