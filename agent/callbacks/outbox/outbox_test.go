package outbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMessagesArriveInOrderWithTheContractsHeaders(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	run(t, o)
	for i := range 20 {
		appendAll(t, o, heartbeat(i))
	}
	if err := o.AppendFinal(message(contract.KindDone, map[string]any{"status": "succeeded"})); err != nil {
		t.Fatal(err)
	}
	flush(t, o)
	got := b.got()
	if len(got) != 21 {
		t.Fatalf("the backend got %d messages, want 21", len(got))
	}
	seen := map[string]bool{}
	for i, r := range got[:20] {
		if r.path != "/api/v1/jobs/job-1/heartbeat" || !strings.Contains(r.body, fmt.Sprintf(`"epoch":%d,`, i)) {
			t.Errorf("message %d is %s %s", i, r.path, r.body)
		}
		if r.auth != "Bearer secret-token" || r.trace != "trace-1" || !strings.HasPrefix(r.key, "job-1:") || seen[r.key] {
			t.Errorf("message %d has the headers %q %q %q", i, r.auth, r.trace, r.key)
		}
		seen[r.key] = true
	}
	if got[20].path != "/api/v1/jobs/job-1/done" {
		t.Errorf("the last message is %s, want done", got[20].path)
	}
	if f, ok := o.Final(); !ok || !f.Delivered {
		t.Errorf("Final() = %+v, %v; want delivered", f, ok)
	}
}
