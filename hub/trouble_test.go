package hub_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// Who has no room left hears it before the bytes are sent; so does who sends too many at once.
func TestUploadIsRefusedBeforeItIsRead(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Scanning: waiting(make(chan string))}})
	ann, bob := r.client(t, "ann"), r.client(t, "bob")
	for i := range submission.MaxOpen {
		ann.submit(t, fmt.Sprintf("trainer-%c", 'a'+i), "1.0.0", "?dry_run=true")
	}
	kind, _ := body(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	send := func(c client) (int, string, error) { // a megabyte that never comes
		never, _ := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/v1/trainers/upload?dry_run=true", never)
		if err != nil {
			return 0, "", err
		}
		req.ContentLength = 1 << 20
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), err
	}
	if status, text, err := send(ann); status != http.StatusForbidden || !strings.Contains(text, "which is the limit") || err != nil {
		t.Errorf("%d %s, %v", status, text, err)
	}
	const atOnce = 4 // one more than may be
	answers := make(chan string, atOnce)
	for range atOnce {
		go func() {
			_, text, _ := send(bob)
			answers <- text
		}()
	}
	if text := <-answers; !strings.Contains(text, "3 uploads of yours are being read") {
		t.Errorf("%q", text)
	}
}

// While the database is away uploads are refused with a clear word, nothing ends,
// and what is being proven goes on when it is back.
func TestDatabaseIsAwayForAWhile(t *testing.T) {
	address := storetest.Postgres(t)
	begun, back := make(chan string, 1), make(chan struct{})
	r := start(t, hub.Config{Database: address, Stages: hub.Stages{submission.Testing: func(ctx context.Context, w *hub.Work) error {
		begun <- w.Dir
		select {
		case <-back:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	<-begun
	database, ask := server(t, address)
	ask(`ALTER DATABASE ` + database + ` ALLOW_CONNECTIONS false`)
	ask(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + database + `'`)
	for path, want := range map[string]string{
		"/readyz":                           "the database cannot be reached",
		"/api/v1/trainers/validation/" + id: "nothing was changed, try again",
	} {
		if got := ann.ask(t, http.MethodGet, path); got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, want) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := ann.upload(t, "?dry_run=true", []part{{"file", pack(t, capabilities("another-one", "1.0.0"))}}); got.status != 503 {
		t.Errorf("%+v", got)
	}
	ask(`ALTER DATABASE ` + database + ` ALLOW_CONNECTIONS true`)
	close(back)
	ann.follow(t, id)
	if v := ann.get(t, id); v.State != submission.Proven || v.Attempt != 1 {
		t.Errorf("%+v", v)
	}
}

// What is no text for the database is the caller's mistake, and not a database that is away.
func TestWhatNoDatabaseTakesIsNamed(t *testing.T) {
	r := start(t, hub.Config{Database: storetest.Postgres(t)})
	ann := r.client(t, "ann")
	for _, id := range []string{"a%00b", "%ff"} {
		for path, method := range map[string]string{
			"/api/v1/trainers/validation/" + id:                http.MethodGet,
			"/api/v1/notifications/" + id + "/seen":            http.MethodPost,
			"/api/v1/trainers/" + id + "/versions":             http.MethodGet,
			"/api/v1/trainers/custom/install?version=" + id:    http.MethodPost,
			"/api/v1/trainers/" + id + "/content/sha256:" + id: http.MethodGet,
		} {
			if got := ann.ask(t, method, path); got.status != 404 {
				t.Errorf("%s: %+v", path, got)
			}
		}
	}
	if got := ann.upload(t, "?dry_run=true", []part{{"metadata", `{"organisation": "a\u0000"}`}, {"file", pack(t, capabilities("custom-yolo", "1.0.0"))}}); got.status != 422 || !strings.Contains(got.body, `"body.metadata.organisation"`) {
		t.Errorf("%+v", got)
	}
	browser := r.session(t, "ann")
	if got, err := browser.do(t.Context(), http.MethodPost, "/api/v1/tokens", "application/json", strings.NewReader(`{"name":"a\u0000","scopes":["read"]}`)); got.status != 422 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got := ann.upload(t, "?dry_run=true", []part{{"file", pack(t, capabilities("custom-yolo", "1.0.0"))}}, "Idempotency-Key", "\xff"); got.status != 400 || !strings.Contains(got.body, "no UTF-8") {
		t.Errorf("%+v", got)
	}
}

// A token that could not be looked for is not said to be gone, nor one that could not be made to be wrong.
func TestTokensThatAreAwayAreNoAnswer(t *testing.T) {
	r := start(t, hub.Config{})
	browser := r.session(t, "ann")
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), `ALTER TABLE tokens RENAME TO away`); err != nil {
		t.Fatal(err)
	}
	if got := browser.ask(t, http.MethodDelete, "/api/v1/tokens/mine"); got.status != 503 {
		t.Errorf("ending one: %+v", got)
	}
	made, err := browser.do(t.Context(), http.MethodPost, "/api/v1/tokens", "application/json", strings.NewReader(`{"name":"ci","scopes":["read"]}`))
	if made.status != 503 || err != nil {
		t.Errorf("making one: %+v, %v", made, err)
	}
}

// server asks a database's server through another database.
func server(t *testing.T, address string) (database string, ask func(string)) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database = strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return database, func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
