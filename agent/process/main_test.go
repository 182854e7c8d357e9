package process

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable turns the test binary into one of the programs in roles: the
// misbehaving children, and small agents that the tests run as PID 1.
const roleVariable = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		role, ok := roles[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such role:", name)
			os.Exit(99)
		}
		os.Exit(role(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}
