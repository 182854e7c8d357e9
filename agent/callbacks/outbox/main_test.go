package outbox

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roles are what the test binary plays when it is started again as the agent.
var roles = map[string]func() error{}

func TestMain(m *testing.M) {
	if role := roles[os.Getenv("OUTBOX_TEST_ROLE")]; role != nil {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
