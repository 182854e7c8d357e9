package agent

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestARunThatWasKilledIsToldOfTruthfully(t *testing.T) {
	path := filepath.Join(t.TempDir(), "life.json")
	first, earlier, err := begin(path, time.Unix(0, 0))
	if err != nil || earlier != nil {
		t.Fatalf("a fresh workspace: %v %v", earlier, err)
	}
	second, earlier, err := begin(path, time.Unix(1, 0))
	if err != nil || earlier == nil || earlier.Code != contract.CodeStopped {
		t.Fatalf("after a kill: %+v %v", earlier, err)
	}
	second.memory(90, 1<<30)
	second.memory(95, 1<<30)
	_, earlier, err = begin(path, time.Unix(2, 0))
	if err != nil || earlier.Code != contract.CodeHostOOM || !strings.Contains(earlier.Message, "95 % of 1.0 GiB") {
		t.Fatalf("after a kill with memory full: %+v %v", earlier, err)
	}
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	if _, earlier, err = begin(path, time.Unix(3, 0)); err != nil || earlier != nil {
		t.Fatalf("after a run that ended: %v %v", earlier, err)
	}
}
