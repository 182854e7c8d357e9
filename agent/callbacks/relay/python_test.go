package relay

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestThePlatformsOwnClientRunsUnchanged(t *testing.T) {
	q := &queue{}
	r := start(t, q, nil)
	cmd := exec.CommandContext(t.Context(), need.Python(t), "-W", "ignore", filepath.Join("testdata", "platform_client.py"))
	cmd.Env = []string{"BACKEND_BASE_URL=" + r.URL(), "CALLBACK_TOKEN=" + r.Token(), "JOB_ID=job-1", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "True\nok\n422 epoch\n" {
		t.Fatalf("the client says %s (%v)", out, err)
	}
	got := q.messages()
	if len(got) != 3 || len(q.kept) != 1 {
		t.Fatalf("%d messages passed on, %d kept", len(got), len(q.kept))
	}
	for i, want := range []string{`"metrics":{"loss":null,"\u00e9":1e-07}`, `"data":{"a":[null]}`, `"confusion_matrix":[[1,2],[3,4]]`} {
		if !strings.Contains(string(got[i].Body), want) {
			t.Errorf("passed on %s, want %s", got[i].Body, want)
		}
	}
}
