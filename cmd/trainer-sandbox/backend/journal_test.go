package backend

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestJournalBringsEverythingBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	withJournal := func(o *Options) { o.Journal = path }
	before := start(t, withJournal)
	html := valid(contract.KindEvent).(contract.Event)
	html.Message = "a<b & c>d"
	before.post(contract.KindEvent, "job-1", 1, html)
	before.post(contract.KindValidation, "job-1", 2, validation(1, 0.5))
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	appendText(t, path, `{"seq":3,"torn`)

	after := start(t, withJournal)
	if got, want := fmt.Sprint(after.Calls("job-1")), fmt.Sprint(before.Calls("job-1")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if status, _ := after.post(contract.KindEvent, "job-1", 1, html); status != http.StatusOK || !after.Calls("job-1")[2].Duplicate {
		t.Error("the key was forgotten")
	}
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
	third := start(t, withJournal)
	if calls := third.Calls("job-1"); len(calls) != 3 || calls[2].Seq != 3 {
		t.Errorf("after a torn line: got %d calls", len(calls))
	}
}

func TestBrokenJournalIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	appendText(t, path, "no JSON\n")
	_, err := New(Options{Token: token, Journal: path})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v", err)
	}
}

func appendText(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
