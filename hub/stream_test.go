package hub_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const streamPatience = 30 * time.Second

// stream opens the events of a submission, which end with ctx.
func (c client) stream(ctx context.Context, t *testing.T, id string) (status int, events io.ReadCloser) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/v1/trainers/validation/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp.StatusCode, resp.Body
}

// Who is logged in no more sees no more, though the stream was open before.
func TestStreamEndsWithItsLogin(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: waiting(make(chan string, 1))}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ctx, stop := context.WithTimeout(t.Context(), streamPatience)
	defer stop()
	status, events := ann.stream(ctx, t, id)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), `DELETE FROM tokens`); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(events); err != nil {
		t.Errorf("the stream went on: %v", err)
	}
}

// A user has so many streams at once, and others are not concerned.
func TestStreamsOfAUserAreBounded(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: waiting(make(chan string, 1))}})
	ann := r.client(t, "ann")
	boss := client{ann.url, r.token(t, "boss", login.Operator, login.Scopes...), http.DefaultClient}
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const most = 30
	for n := range most {
		if status, _ := ann.stream(ctx, t, id); status != http.StatusOK {
			t.Fatalf("stream %d: %d", n, status)
		}
	}
	if status, _ := ann.stream(ctx, t, id); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
	if status, _ := boss.stream(ctx, t, id); status != http.StatusOK {
		t.Errorf("another user: %d", status)
	}
	stop()
	for late := time.After(streamPatience); ; { // the hub hears of it a moment later
		if status, _ := ann.stream(t.Context(), t, id); status == http.StatusOK {
			return
		}
		select {
		case <-late:
			t.Fatal("streams that were left still count")
		case <-time.After(100 * time.Millisecond):
		}
	}
}
