package diagnose_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is its own helper in the new mount namespace.
func TestMain(m *testing.M) {
	if os.Getenv("ENDINGS_HELPER") != "" {
		os.Exit(runHelper())
	}
	goleak.VerifyTestMain(m)
}
