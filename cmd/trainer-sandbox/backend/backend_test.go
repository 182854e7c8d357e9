package backend

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestEveryCallbackIsAnsweredAndRecordedInOrder(t *testing.T) {
	f := start(t)
	for i, k := range contract.Kinds {
		if status, body := f.post(k, "job-1", i, valid(k)); status != http.StatusOK {
			t.Errorf("%s: got %d %s", k, status, body)
		}
	}
	status, body := f.control(http.MethodGet, "/_sandbox/jobs/job-1", "")
	var shown struct {
		Job   Summary
		Calls []Call
	}
	if err := json.Unmarshal([]byte(body), &shown); status != http.StatusOK || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	for i, k := range contract.Kinds {
		c := shown.Calls[i]
		if c.Kind != k || c.Seq != int64(i+1) || !c.Accepted || c.Header.Get(contract.HeaderTraceID) != "trace-1" {
			t.Errorf("call %d: got %+v, want an accepted %s", i, c, k)
		}
		if string(c.Body) != string(encode(t, valid(k))) {
			t.Errorf("call %d: the body came back as %s", i, c.Body)
		}
	}
	if strings.Contains(body, token) {
		t.Error("the token was recorded")
	}
}

func TestUnknownJobIs404(t *testing.T) {
	f := start(t)
	if status, _ := f.control(http.MethodGet, "/_sandbox/jobs/nobody", ""); status != http.StatusNotFound {
		t.Errorf("got %d, want 404", status)
	}
}

func TestWrongTokenIsRefusedAndRecorded(t *testing.T) {
	f := start(t)
	for _, auth := range []string{"", "Bearer wrong", "Basic " + token, token} {
		r := request(t.Context(), f.url, contract.KindHeartbeat, "job-1", "job-1:1", encode(t, valid(contract.KindHeartbeat)))
		r.Header.Set(contract.HeaderAuthorization, auth)
		if status, _ := f.do(r); status != http.StatusUnauthorized {
			t.Errorf("%q: got %d, want 401", auth, status)
		}
	}
	if calls := f.Calls("job-1"); len(calls) != 4 || len(Accepted(calls)) != 0 {
		t.Errorf("got %d calls, %d accepted, want 4 and 0", len(calls), len(Accepted(calls)))
	}
}

func TestBadHeadersAreNamed(t *testing.T) {
	f := start(t)
	for header, value := range map[string]string{
		"Content-Type": "text/plain", contract.HeaderTraceID: "", contract.HeaderIdempotencyKey: "other-job:1",
	} {
		r := request(t.Context(), f.url, contract.KindHeartbeat, "job-1", "job-1:1", encode(t, valid(contract.KindHeartbeat)))
		r.Header.Set(header, value)
		if status, body := f.do(r); status != http.StatusUnprocessableEntity || !strings.Contains(body, header) {
			t.Errorf("%s %q: got %d %s", header, value, status, body)
		}
	}
}

func TestOversizedBodyIsRefused(t *testing.T) {
	f := start(t)
	big := bytes.Repeat([]byte(" "), maxBodyBytes+1)
	if status, body := f.do(request(t.Context(), f.url, contract.KindEvent, "job-1", "job-1:1", big)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s, want 413", status, body)
	}
}

func TestBadJobIDIsRefused(t *testing.T) {
	f := start(t)
	r := request(t.Context(), f.url, contract.KindEvent, "a b", "a b:1", nil)
	if status, body := f.do(r); status != http.StatusUnprocessableEntity || !strings.Contains(body, "job id") {
		t.Errorf("got %d %s", status, body)
	}
}

func TestRetryIsADuplicateWithTheSameAnswer(t *testing.T) {
	f := start(t)
	_, first := f.post(contract.KindValidation, "job-1", 7, validation(1, 0.5))
	status, again := f.post(contract.KindValidation, "job-1", 7, validation(1, 0.5))
	if status != http.StatusOK || again != first {
		t.Errorf("got %d %s, want the first answer %s", status, again, first)
	}
	calls := f.Calls("job-1")
	if last := calls[1]; !last.Duplicate || last.Attempt != 2 || last.Accepted || len(Accepted(calls)) != 1 {
		t.Errorf("got %+v", last)
	}
	if status, body := f.post(contract.KindValidation, "job-1", 7, validation(2, 0.6)); status != http.StatusUnprocessableEntity || !strings.Contains(body, "another body") {
		t.Errorf("a reused key: got %d %s", status, body)
	}
}

func TestTokenIsRequired(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("started without a token")
	}
}
