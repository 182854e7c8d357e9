package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/api/trainers"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/hub/usage"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// used is a hub before a platform's backend, where custom-yolo 1.0.0 is published.
type used struct {
	running
	reader client
	digest string
	down   atomic.Bool // the backend
	cookie atomic.Bool // that the backend was sent one
}

const jobToken = "the-job's-own"

func startUsed(t *testing.T) *used {
	t.Helper()
	u := &used{}
	b, err := backend.New(backend.Options{Token: jobToken})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			u.cookie.Store(true)
		}
		if u.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		b.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { _ = b.Close(); server.Close() })
	platform, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bases(t, dir)
	how, err := release(t.Context(), dir, need.Python(t))
	if err != nil {
		t.Fatal(err)
	}
	u.running = start(t, hub.Config{Release: how, Platform: platform, Stages: hub.Stages{submission.Testing: reporting(proven()...)}})
	u.reader = u.client(t, "ann")
	u.reader.follow(t, u.reader.submit(t, "custom-yolo", "1.0.0", ""))
	var install trainers.Install
	u.reader.ask(t, http.MethodPost, "/api/v1/trainers/custom-yolo/install").into(t, &install)
	u.digest = install.Environment["TRAINER_DIGEST"]
	return u
}

func (u *used) started(digest string) contract.Event {
	data := fmt.Sprintf(`{"job_type": "training", "task_type": "object_detection", "device": "cpu", "primary_metric": "mAP50-95",
		"trainer": {"name": "custom-yolo", "version": "1.0.0", "digest": %q}}`, digest)
	return contract.Event{EventType: contract.EventAgentStarted, Data: json.RawMessage(data), Timestamp: contract.At(time.Now())}
}

// callback is what an agent sends; token is its bearer token.
func (u *used) callback(t *testing.T, token, key string, kind contract.Kind, body any) reply {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	job, _, _ := strings.Cut(key, ":")
	c := client{u.URL(), token, http.DefaultClient}
	r, err := c.do(t.Context(), http.MethodPost, kind.Path(job), "application/json", strings.NewReader(string(text)),
		contract.HeaderIdempotencyKey, key, contract.HeaderTraceID, "trace", "Cookie", "trainer_hub_session=secret")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (u *used) numbers(t *testing.T) (a usage.Analytics) {
	t.Helper()
	u.reader.ask(t, http.MethodGet, "/api/v1/trainers/custom-yolo/analytics").into(t, &a)
	return a
}

// A job's callbacks reach the platform through the hub, and count once the platform took them.
func TestTheHubCountsWhatThePlatformAccepts(t *testing.T) {
	u := startUsed(t)
	done := contract.Done{Status: contract.StatusSucceeded, FinalMetrics: contract.Metrics{"mAP50-95": 0.5}, Timestamp: contract.At(time.Now())}
	started := u.started(u.digest)
	if r := u.callback(t, "a stranger's", "1:1", contract.KindEvent, started); r.status != http.StatusUnauthorized || u.numbers(t).Trainings != 0 {
		t.Errorf("a stranger's job: %d %s, counted %+v", r.status, r.body, u.numbers(t))
	}
	u.down.Store(true)
	if r := u.callback(t, jobToken, "1:1", contract.KindEvent, started); r.status != http.StatusBadGateway || u.numbers(t).Trainings != 0 {
		t.Errorf("of a platform that is away: %d %s, counted %+v", r.status, r.body, u.numbers(t))
	}
	u.down.Store(false)
	for range 2 { // an answer may be lost
		if r := u.callback(t, jobToken, "1:1", contract.KindEvent, started); r.status != http.StatusOK {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if r := u.callback(t, jobToken, "2:1", contract.KindEvent, u.started("sha256:"+strings.Repeat("0", 64))); r.status != http.StatusOK {
		t.Errorf("other bytes under the name: %d %s", r.status, r.body)
	}
	if r := u.callback(t, jobToken, "1:2", contract.KindDone, done); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := u.numbers(t); got.Trainings != 1 || got.Succeeded != 1 || got.Recent[0].Value == nil || *got.Recent[0].Value != 0.5 {
		t.Errorf("%+v", got)
	}
	if u.cookie.Load() {
		t.Error("the platform was sent a cookie of the hub")
	}
}

// A platform that does not go through the hub tells it by a token that only an operator has.
func TestOnlyThePlatformTellsUsage(t *testing.T) {
	u := startUsed(t)
	tell := func(token, callback string, body any) reply {
		t.Helper()
		text, err := json.Marshal(map[string]any{"job_id": "7", "callback": callback, "body": body})
		if err != nil {
			t.Fatal(err)
		}
		c := client{u.URL(), token, http.DefaultClient}
		r, err := c.do(t.Context(), http.MethodPost, "/api/v1/usage/events", "application/json", strings.NewReader(string(text)), "Idempotency-Key", "7:1")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for token, want := range map[string]int{"": 401, "tah_guessed": 401, u.reader.token: 403, u.token(t, "ops", login.Operator, login.Scopes...): 403} {
		if r := tell(token, "event", u.started(u.digest)); r.status != want || u.numbers(t).Trainings != 0 {
			t.Errorf("%d %s, want %d", r.status, r.body, want)
		}
	}
	platform := u.token(t, "platform", login.Operator, login.ScopeUsage)
	for want, r := range map[string]reply{
		`"counted":true`:         tell(platform, "event", u.started(u.digest)),
		"neither the image":      tell(platform, "event", u.started("sha256:other")),
		"what the contract says": tell(platform, "done", map[string]any{"status": "wonderful"}),
		"body.callback":          tell(platform, "heartbeat", map[string]any{}),
	} {
		if !strings.Contains(r.body, want) {
			t.Errorf("%d %s has no %q", r.status, r.body, want)
		}
	}
	if got := u.numbers(t); got.Trainings != 1 {
		t.Errorf("%+v", got)
	}
	if r := (client{u.URL(), platform, http.DefaultClient}).ask(t, http.MethodGet, "/api/v1/trainers/validation"); r.status != http.StatusForbidden {
		t.Errorf("the platform's token reads submissions: %d", r.status)
	}
	db, err := hub.OpenDatabase(t.Context(), u.config.DataDir, u.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	users := login.New(db, time.Now)
	bob, err := users.Ensure(t.Context(), "bob", login.Author)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := users.MakeToken(t.Context(), bob, "x", []string{login.ScopeUsage}, time.Hour); err == nil || !strings.Contains(err.Error(), "--operator") {
		t.Errorf("an author's token with the scope usage: %v", err)
	}
}
