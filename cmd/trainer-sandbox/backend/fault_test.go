package backend

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func (f fixture) arm(json string) {
	f.t.Helper()
	if status, body := f.control(http.MethodPost, "/_sandbox/faults", json); status != http.StatusCreated {
		f.t.Fatalf("arming %s: got %d %s", json, status, body)
	}
}

func TestStatusFaultStrikesTheCallsItNames(t *testing.T) {
	f := start(t)
	f.arm(`{"kind": "heartbeat", "status": 503, "retry_after": "2", "calls": 2}`)
	if status, _ := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent)); status != http.StatusOK {
		t.Errorf("another kind: got %d", status)
	}
	r := request(t.Context(), f.url, contract.KindHeartbeat, "job-1", "job-1:2", encode(t, valid(contract.KindHeartbeat)))
	resp, err := f.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "2" {
		t.Errorf("got %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	var statuses []int
	for range 2 {
		status, _ := f.post(contract.KindHeartbeat, "job-1", 2, valid(contract.KindHeartbeat))
		statuses = append(statuses, status)
	}
	if statuses[0] != 503 || statuses[1] != 200 {
		t.Errorf("got %v, want 503 and then 200", statuses)
	}
	calls := f.Calls("job-1")
	if last := calls[3]; last.Attempt != 3 || last.Duplicate || !last.Accepted || calls[1].Fault != "status 503" || calls[1].Status != 503 {
		t.Errorf("got %+v", calls)
	}
}

func TestDroppedConnection(t *testing.T) {
	f := start(t)
	f.arm(`{"path": "/api/v1/jobs/*/event", "drop": true, "calls": 1, "skip": 1}`)
	var statuses []int
	for n := range 3 {
		status, _ := f.post(contract.KindEvent, "job-1", n, valid(contract.KindEvent))
		statuses = append(statuses, status)
	}
	if statuses[0] != 200 || statuses[1] != 0 || statuses[2] != 200 {
		t.Errorf("got %v, want the second one dropped", statuses)
	}
}

func TestLostAnswerMakesADuplicate(t *testing.T) {
	f := start(t)
	f.arm(`{"drop": true, "calls": 1, "accept": true}`)
	first, _ := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	second, _ := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	calls := f.Calls("job-1")
	if first != 0 || second != 200 || !calls[0].Accepted || calls[0].Status != 0 || !calls[1].Duplicate {
		t.Errorf("got %d, %d, %+v", first, second, calls)
	}
}

func TestGarbageIsNoJSON(t *testing.T) {
	f := start(t)
	f.arm(`{"garbage": true, "job": "job-1"}`)
	status, body := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	if status != 200 || !strings.Contains(body, "\x00") {
		t.Errorf("got %d %q", status, body)
	}
	if status, _ := f.post(contract.KindEvent, "job-2", 1, valid(contract.KindEvent)); status != 200 {
		t.Errorf("another job: got %d", status)
	}
}

func TestHangSendsTheHeaderOnly(t *testing.T) {
	f := start(t)
	f.arm(`{"hang": true}`)
	ctx, cancel := context.WithCancel(t.Context())
	r := request(ctx, f.url, contract.KindEvent, "job-1", "job-1:1", encode(t, valid(contract.KindEvent)))
	resp, err := f.client.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", resp, err)
	}
	cancel()
	if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
		t.Error("a body came")
	}
	resp.Body.Close()
}

func TestHangEndsWithTheBackend(t *testing.T) {
	f := start(t)
	f.arm(`{"hang": true}`)
	done := make(chan int)
	go func() {
		status, _ := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
		done <- status
	}()
	if err := f.Wait(t.Context(), "job-1", func(calls []Call) bool { return len(calls) == 1 }); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if status := <-done; status != 0 {
		t.Errorf("got %d, want a broken connection", status)
	}
}

func TestDelayAndLifetimeFollowTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddFault(Fault{Delay: 3, Seconds: 10}); err != nil {
			t.Fatal(err)
		}
		took := func(n string) time.Duration {
			began := time.Now()
			w := httptest.NewRecorder()
			b.ServeHTTP(w, request(t.Context(), "", contract.KindEvent, "job-1", "job-1:"+n, encode(t, valid(contract.KindEvent))))
			if w.Code != 200 {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			return time.Since(began)
		}
		if d := took("1"); d != 3*time.Second {
			t.Errorf("the answer took %s, want 3s", d)
		}
		time.Sleep(10 * time.Second)
		if d := took("2"); d != 0 {
			t.Errorf("the answer took %s after the fault's life", d)
		}
	})
}

func TestFaultsAreListedAndDisarmed(t *testing.T) {
	f := start(t)
	f.arm(`{"status": 500}`)
	f.arm(`{"drop": true}`)
	if _, body := f.control(http.MethodGet, "/_sandbox/faults", ""); !strings.Contains(body, `"status":500`) || !strings.Contains(body, `"drop":true`) {
		t.Errorf("got %s", body)
	}
	if status, _ := f.control(http.MethodDelete, "/_sandbox/faults/1", ""); status != http.StatusNoContent {
		t.Errorf("got %d", status)
	}
	if status, _ := f.control(http.MethodDelete, "/_sandbox/faults/1", ""); status != http.StatusNotFound {
		t.Errorf("a second time: got %d, want 404", status)
	}
	if status, _ := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent)); status != 0 {
		t.Errorf("got %d, want the drop", status)
	}
	f.control(http.MethodDelete, "/_sandbox/faults", "")
	if status, _ := f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent)); status != 200 {
		t.Errorf("after the last was disarmed: got %d", status)
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	f := start(t)
	for _, body := range []string{
		`{}`, `{"status": 99}`, `{"status": 500, "drop": true}`, `{"drop": true, "retry_after": "1"}`, `{"delay_seconds": -1}`,
		`{"delay_seconds": 99999}`, `{"status": 500, "calls": -1}`, `{"status": 500, "kind": "hartbeat"}`, `{"status": 500, "path": "["}`,
		`{"stauts": 500}`, `no JSON`,
	} {
		if status, _ := f.control(http.MethodPost, "/_sandbox/faults", body); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d, want 422", body, status)
		}
	}
	for range maxFaults {
		if _, err := f.AddFault(Fault{Status: 500}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.AddFault(Fault{Status: 500}); err == nil {
		t.Error("more faults than the bound were armed")
	}
}
