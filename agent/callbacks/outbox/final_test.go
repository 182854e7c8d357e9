package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func done(status string) contract.Message {
	return message(contract.KindDone, map[string]any{"status": status})
}

func appendFinal(t *testing.T, o *Outbox, m contract.Message) {
	t.Helper()
	if err := o.AppendFinal(m); err != nil {
		t.Fatalf("appending the final message: %v", err)
	}
}

func TestNothingFollowsTheFinalMessage(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	appendAll(t, o, heartbeat(1))
	appendFinal(t, o, done("succeeded"))
	if err := o.Append(heartbeat(2)); !errors.Is(err, ErrFinal) {
		t.Errorf("appending after the final message: %v, want ErrFinal", err)
	}
	appendFinal(t, o, done("failed")) // the first one stays
	run(t, o)
	flush(t, o)
	got := b.got()
	if len(got) != 2 || !strings.HasSuffix(got[1].path, "/done") || !strings.Contains(got[1].body, "succeeded") {
		t.Errorf("the backend got %+v", got)
	}
}

func TestTheFinalMessageOfAKilledAgentIsDeliveredOnceByTheNext(t *testing.T) {
	b := newBackend(t, nil)
	dir := t.TempDir()
	first := open(t, dir, options(b.URL))
	appendAll(t, first, heartbeat(1))
	appendFinal(t, first, done("succeeded"))
	if err := first.Close(); err != nil { // as a kill, for what is on disk
		t.Fatal(err)
	}
	for life := range 3 {
		o := open(t, dir, options(b.URL))
		f, stored := o.Final()
		if !stored || f.Delivered != (life > 0) || !strings.Contains(string(f.Message.Body), "succeeded") {
			t.Fatalf("life %d finds %+v, %v", life, f, stored)
		}
		appendFinal(t, o, done("failed"))
		run(t, o)
		flush(t, o)
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.got(); len(got) != 2 || !strings.Contains(got[1].body, "succeeded") {
		t.Errorf("the backend got %+v", got)
	}
}

func TestAJobThatRunsAgainEndsWithAFinalMessageOfItsOwn(t *testing.T) {
	b := newBackend(t, nil)
	dir := t.TempDir()
	first := open(t, dir, options(b.URL))
	if err := first.Keep(done("failed")); err != nil {
		t.Fatal(err)
	}
	run(t, first)
	appendFinal(t, first, done("failed"))
	flush(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	o := open(t, dir, options(b.URL))
	if err := o.Reopen(); err != nil {
		t.Fatal(err)
	}
	if _, found := o.Kept(contract.KindDone); found {
		t.Error("what the first run kept is still there")
	}
	run(t, o)
	appendAll(t, o, heartbeat(7))
	appendFinal(t, o, done("succeeded"))
	flush(t, o)
	got := b.got()
	if len(got) != 3 || !strings.Contains(got[2].body, "succeeded") || got[0].key == got[2].key {
		t.Errorf("the backend got %+v", got)
	}
}

func TestKeptMessagesSurviveAndAreNotSent(t *testing.T) {
	b := newBackend(t, nil)
	dir := t.TempDir()
	first := open(t, dir, options(b.URL))
	for _, status := range []string{"failed", "succeeded"} {
		if err := first.Keep(done(status)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	o := open(t, dir, options(b.URL))
	run(t, o)
	appendAll(t, o, heartbeat(1))
	flush(t, o)
	m, found := o.Kept(contract.KindDone)
	if !found || string(m.Body) != `{"status":"succeeded"}` || m.Kind != contract.KindDone || !m.Time.Equal(heartbeat(1).Time) {
		t.Errorf("kept %+v, %v", m, found)
	}
	if _, found := o.Kept(contract.KindTestRunDone); found {
		t.Error("found a message that nobody kept")
	}
	if n := len(b.got()); n != 1 {
		t.Errorf("the backend got %d messages, want 1", n)
	}
}

func TestALargeFinalMessageIsStoredBeyondItsReservedPlace(t *testing.T) {
	dir := t.TempDir()
	big := message(contract.KindDone, map[string]any{"status": "failed", "error_message": strings.Repeat("x", 3<<20)})
	o := open(t, dir, options("http://backend.test"))
	appendFinal(t, o, big)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	f, stored := open(t, dir, options("http://backend.test")).Final()
	if !stored || string(f.Message.Body) != string(big.Body) {
		t.Errorf("found %d bytes, %v; want %d", len(f.Message.Body), stored, len(big.Body))
	}
}

func TestATornFinalSlotIsReportedAndStartedAgain(t *testing.T) {
	for name, tear := range map[string]func([]byte) []byte{
		"the mark is torn":    func(b []byte) []byte { b[9] ^= 1; return b },
		"the message is torn": func(b []byte) []byte { b[slotBlock+40] ^= 1; return b },
		"the length is torn":  func(b []byte) []byte { b[slotBlock] = 0xff; return b },
		"it is all noise":     func(b []byte) []byte { return []byte(strings.Repeat("noise", len(b)/5+1)) },
	} {
		b := newBackend(t, nil)
		dir := t.TempDir()
		o := open(t, dir, options(b.URL))
		appendFinal(t, o, done("succeeded"))
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, slotName)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, tear(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		o = open(t, dir, options(b.URL))
		if _, stored := o.Final(); stored || len(o.Pending().SetAside) != 1 {
			t.Errorf("%s: stored %v, reported %v", name, stored, o.Pending().SetAside)
		}
		run(t, o)
		appendFinal(t, o, done("failed"))
		flush(t, o)
		if got := b.got(); len(got) != 2 || !strings.Contains(got[0].body, "resource_warning") || !strings.HasSuffix(got[1].path, "/done") {
			t.Errorf("%s: the backend got %+v", name, got)
		}
	}
}

func TestARefusedMessageGoesAsideIsReportedOnceAndBlocksNobody(t *testing.T) {
	b := newBackend(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/validation") {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, "{\"detail\":\n\"no such epoch\"}")
		}
	})
	dir := t.TempDir()
	opts := options(b.URL)
	var told []string
	opts.OnRejected = func(m contract.Message, status int, body string) {
		told = append(told, fmt.Sprint(m.Kind, " ", status, " ", body))
	}
	o := open(t, dir, opts)
	appendAll(t, o, heartbeat(1), message(contract.KindValidation, map[string]any{"epoch": 1}), heartbeat(2))
	run(t, o)
	flush(t, o)
	got := b.got()
	if len(got) != 4 || !strings.Contains(got[2].body, `"epoch":2`) || !strings.Contains(got[3].body, string(contract.EventCallbackRejected)) {
		t.Fatalf("the backend got %+v", got)
	}
	if want := []string{`validation 422 {"detail": "no such epoch"}`}; fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("OnRejected heard %q, want %q", told, want)
	}
	lines, err := os.ReadFile(filepath.Join(dir, rejectedName))
	if err != nil || strings.Count(string(lines), "\n") != 1 || !strings.Contains(string(lines), `"rejected":{"status":422`) {
		t.Errorf("rejected.jsonl has %q (%v)", lines, err)
	}
	if strings.Contains(string(lines), "secret-token") {
		t.Error("rejected.jsonl holds the token")
	}
}

func TestABackendThatRefusesEverythingIsNotFloodedWithReports(t *testing.T) {
	b := newBackend(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	o := open(t, t.TempDir(), options(b.URL))
	for i := range 50 {
		appendAll(t, o, heartbeat(i))
	}
	run(t, o)
	flush(t, o)
	reports, counted := 0, 0
	for _, r := range b.got() {
		if strings.Contains(r.body, string(contract.EventCallbackRejected)) {
			reports++
			var e struct{ Data rejectedData }
			if err := json.Unmarshal([]byte(r.body), &e); err != nil {
				t.Fatal(err)
			}
			counted += e.Data.Count
		}
	}
	if reports != 1 || counted != 50 {
		t.Errorf("%d reports about %d refusals, want 1 about 50", reports, counted)
	}
}
