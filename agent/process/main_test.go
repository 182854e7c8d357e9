package process

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable turns the test binary into the program in roles that its first
// argument names: a misbehaving child, or a small agent that runs as PID 1.
const roleVariable = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "" {
		_ = os.Setenv(roleVariable, "yes")           // for every child
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // or each takes a second to end
		goleak.VerifyTestMain(m)
		return
	}
	role, ok := roles[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such role:", os.Args[1])
		os.Exit(99)
	}
	os.Exit(role(os.Args[2:]))
}

// self is the command line of a role.
func self(role string, args ...string) []string {
	return append([]string{os.Args[0], role}, args...)
}
