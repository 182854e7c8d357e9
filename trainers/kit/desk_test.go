package kit

import (
	"bytes"
	"log"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func post(t *testing.T, url, token, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(contract.HeaderAuthorization, "Bearer "+token)
	request.Close = true
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestDeskRecordsWhatThePlatformWouldBeTold(t *testing.T) {
	record := filepath.Join(t.TempDir(), "callbacks.jsonl")
	d, err := OpenDesk(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	heartbeat, done := d.URL+contract.KindHeartbeat.Path("try"), d.URL+contract.KindDone.Path("try")
	for _, c := range []struct {
		url, token, body string
		want             int
	}{
		{heartbeat, d.Token, `{"epoch": 1}`, 200},
		{heartbeat, "guessed", `{"epoch": 2}`, 401},
		{heartbeat, d.Token, `{"epoch":`, 422},
		{d.URL + "/api/v1/jobs/try/nonsense", d.Token, `{}`, 404},
		{done, d.Token, "{\"status\":\n \"succeeded\"}", 200},
	} {
		if got := post(t, c.url, c.token, c.body); got != c.want {
			t.Errorf("%s %s: status %d, want %d", c.url, c.body, got, c.want)
		}
	}
	if got := d.Summary(); got != "1 heartbeat, 1 done" {
		t.Errorf("summary %q", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	calls, err := ReadCallbacks(record)
	if err != nil || len(calls) != 2 || calls[0].Kind != contract.KindHeartbeat || string(calls[1].Body) != `{"status":"succeeded"}` {
		t.Errorf("%v %s", err, calls)
	}
}

// net/http would write across the rows of progress.
func TestDeskSaysNothingOnStandardError(t *testing.T) {
	d, err := OpenDesk(t.Context(), filepath.Join(t.TempDir(), "callbacks.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	d.server.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault of ours") })
	var said bytes.Buffer
	before := log.Writer()
	log.SetOutput(&said)
	defer log.SetOutput(before)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if answer, err := client.Get(d.URL); err == nil {
		_ = answer.Body.Close()
		t.Errorf("a handler that panics answered %d", answer.StatusCode)
	}
	if err := d.Close(); err != nil || said.Len() > 0 {
		t.Errorf("%v, %q", err, said.String())
	}
}

func TestATryTakesItsNamesFromCapabilities(t *testing.T) {
	dir := written(t, "plain")
	env, err := Local{Package: dir, Workspace: "w"}.Environment(&Desk{URL: "http://127.0.0.1:1", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"FRAMEWORK": "cell-counter", "MODEL_NAME": "cell-counter-s", "TASK_TYPE": "image_classification", "DATASET_PATH": filepath.Join(dir, "sample"),
		"BACKEND_BASE_URL": "http://127.0.0.1:1", "CALLBACK_TOKEN": "t", "STORAGE_TYPE": "local",
	} {
		if env[name] != want {
			t.Errorf("%s=%q, want %q", name, env[name], want)
		}
	}
	if _, err := (Local{Package: t.TempDir()}).Environment(&Desk{}); err == nil || !strings.Contains(err.Error(), "--dataset") {
		t.Errorf("got %v", err)
	}
}
