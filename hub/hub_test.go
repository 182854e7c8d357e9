package hub_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
	}
	os.Exit(storetest.Main(m))
}

const maxPackage = 1 << 20

// running is a hub that serves until the test ends.
type running struct {
	*hub.Hub
	config hub.Config
}

func start(t *testing.T, config hub.Config) running {
	t.Helper()
	if config.DataDir == "" {
		config.DataDir = filepath.Join(t.TempDir(), "data")
	}
	config.Addr, config.MaxPackage, config.Log = "127.0.0.1:0", maxPackage, slog.New(slog.NewTextHandler(t.Output(), nil))
	h, err := hub.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return running{h, config}
}

// token makes a user's token as `trainer-hub token` does.
func (r running) token(t *testing.T, name, role string, scopes ...string) string {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	users := login.New(db, time.Now)
	id, err := users.Ensure(t.Context(), name, role)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := users.MakeToken(t.Context(), id, "test", scopes, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// client asks a hub with a token.
type client struct {
	url, token string
	http       *http.Client
}

func (r running) client(t *testing.T, name string) client {
	t.Helper()
	return client{r.URL(), r.token(t, name, login.Author, login.Scopes...), http.DefaultClient}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) into(t *testing.T, answer any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), answer); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
}

func (c client) do(ctx context.Context, method, path, kind string, body io.Reader, header ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return reply{}, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

func (c client) ask(t *testing.T, method, path string, header ...string) reply {
	t.Helper()
	r, err := c.do(t.Context(), method, path, "", nil, header...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pack is a zip of files.
func pack(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range files {
		f, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func capabilities(name, version string) map[string]string {
	return map[string]string{"capabilities.json": fmt.Sprintf(`{"framework": %q, "version": %q}`, name, version)}
}

// part is a field of a form.
type part struct{ name, text string }

func body(t *testing.T, parts ...part) (kind string, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	form := multipart.NewWriter(out)
	for _, p := range parts {
		var w io.Writer
		var err error
		if p.name == "file" {
			w, err = form.CreateFormFile("file", "trainer.zip")
		} else {
			w, err = form.CreateFormField(p.name)
		}
		if err == nil {
			_, err = io.WriteString(w, p.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = form.Close()
	return form.FormDataContentType(), out
}

func (c client) upload(t *testing.T, query string, parts []part, header ...string) reply {
	t.Helper()
	kind, form := body(t, parts...)
	r, err := c.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload"+query, kind, form, header...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// submit uploads a good package and returns its id.
func (c client) submit(t *testing.T, name, version, query string, header ...string) string {
	t.Helper()
	r := c.upload(t, query, []part{{"file", pack(t, capabilities(name, version))}}, header...)
	if r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.body)
	}
	var answer struct {
		ValidationJobID string `json:"validation_job_id"`
	}
	r.into(t, &answer)
	return answer.ValidationJobID
}

// event is one server-sent event.
type event struct{ id, kind, data string }

// follow reads a submission's events until the stream ends.
func (c client) follow(t *testing.T, id string, header ...string) (events []event) {
	t.Helper()
	r := c.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+id+"/events", header...)
	if r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	var e event
	lines := bufio.NewScanner(strings.NewReader(r.body))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
		case "":
			if e.id != "" {
				events = append(events, e)
			}
			e = event{}
		}
	}
	return events
}

type validation struct {
	Status         string
	State          submission.State
	CurrentStep    string `json:"current_step"`
	StepsCompleted int    `json:"steps_completed"`
	StepsTotal     int    `json:"steps_total"`
	Reason         string
	Attempt        int
	Isolation      string
	Results        map[string]struct {
		Passed          bool
		Duration        float64
		Issues          []string
		ModelsValidated int `json:"models_validated"`
	}
	Steps []contract.StepReport
}

func (c client) get(t *testing.T, id string) (v validation) {
	t.Helper()
	c.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+id).into(t, &v)
	return v
}

// reporting takes steps as a proof does.
func reporting(steps ...contract.StepReport) hub.Stage {
	return func(ctx context.Context, w *hub.Work) error {
		for _, step := range steps {
			if err := w.Begin(ctx, step.Name); err != nil {
				return err
			}
			if err := w.Report(ctx, step); err != nil {
				return err
			}
			if step.Status == contract.StepFailed {
				return &hub.Rejection{Reason: step.Name + " failed"}
			}
		}
		return nil
	}
}

// waiting works until it is stopped.
func waiting(begun chan<- string) hub.Stage {
	return func(ctx context.Context, w *hub.Work) error {
		select {
		case begun <- w.Dir:
		case <-ctx.Done():
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestUploadIsProvenAndEverybodyMaySeeHow(t *testing.T) {
	for engine, database := range map[string]func(*testing.T) string{"sqlite": func(*testing.T) string { return "" }, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			r := start(t, hub.Config{Database: database(t), Stages: hub.Stages{
				submission.Scanning: reporting(
					contract.StepReport{Name: "secrets", Status: contract.StepPassed, Seconds: 1},
					contract.StepReport{Name: "malware", Status: contract.StepPassed, Seconds: 2}),
				submission.Testing: reporting(
					contract.StepReport{Name: "structure", Status: contract.StepPassed, Findings: []contract.Finding{
						{Rule: "readme.missing", Severity: contract.SeverityNote, File: "README.md", Text: "there is no README.md", Fix: "write one"},
					}},
					contract.StepReport{Name: "capabilities", Status: contract.StepPassed, Facts: map[string]any{"models_validated": 12, "isolation": "the level of that day"}, Log: "built 12 models\n"}),
			}})
			ann := r.client(t, "ann")
			id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
			events := ann.follow(t, id)
			v := ann.get(t, id)
			if v.Status != "passed" || v.State != submission.Proven || v.StepsTotal != 6 || v.StepsCompleted != 3 {
				t.Errorf("%+v", v)
			}
			if v.Isolation != "the level of that day" {
				t.Errorf("isolation %q", v.Isolation)
			}
			if security := v.Results["security"]; !security.Passed || security.Duration != 3 {
				t.Errorf("the parts of the security step: %+v", security)
			}
			if got := v.Results["capabilities"].ModelsValidated; got != 12 {
				t.Errorf("models_validated %d", got)
			}
			if got := v.Results["structure"].Issues; !slices.Equal(got, []string{"note: README.md: there is no README.md (write one)"}) {
				t.Errorf("issues %q", got)
			}
			if len(v.Steps) != 4 || v.Steps[2].Findings[0].File != "README.md" {
				t.Errorf("steps %+v", v.Steps)
			}
			if log := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+id+"/log").body; !strings.Contains(log, "== capabilities: passed in 0.0 s\nbuilt 12 models") {
				t.Errorf("log %q", log)
			}
			if rest := ann.follow(t, id, "Last-Event-ID", events[2].id); !slices.Equal(rest, events[3:]) {
				t.Errorf("after %s came %v", events[2].id, rest)
			}
			if work, err := os.ReadDir(filepath.Join(r.config.DataDir, "work")); len(work) != 0 || err != nil {
				t.Errorf("left behind: %v, %v", work, err)
			}
		})
	}
}

func TestWhatIsWrongWithAnUploadIsNamed(t *testing.T) {
	r := start(t, hub.Config{BehindProxy: true})
	ann, from := r.client(t, "ann"), 0
	good := part{"file", pack(t, capabilities("custom-yolo", "1.0.0"))}
	for name, c := range map[string]struct {
		query  string
		parts  []part
		status int
		text   string
	}{
		"it would be published":     {"", []part{good}, 422, `"query.dry_run"`},
		"no package":                {"?dry_run=true", []part{{"metadata", "{}"}}, 422, `"body.file"`},
		"two packages":              {"?dry_run=true", []part{good, good}, 422, `two packages`},
		"not a zip":                 {"?dry_run=true", []part{{"file", "PK"}}, 422, `it is no zip`},
		"no capabilities":           {"?dry_run=true", []part{{"file", pack(t, map[string]string{"train.py": ""})}}, 422, `capabilities.json is missing`},
		"capabilities too deep":     {"?dry_run=true", []part{{"file", pack(t, map[string]string{"a/b/capabilities.json": "{}"})}}, 422, `capabilities.json is missing`},
		"capabilities are no JSON":  {"?dry_run=true", []part{{"file", pack(t, map[string]string{"a/capabilities.json": "[]"})}}, 422, `not what the contract says`},
		"capabilities without name": {"?dry_run=true", []part{{"file", pack(t, map[string]string{"capabilities.json": "{}"})}}, 422, `"body.metadata.framework_name"`},
		"name of the platform":      {"?dry_run=true", []part{{"file", pack(t, capabilities("ultralytics", "1.0.0"))}}, 422, `kept for the platform`},
		"version is no version":     {"?dry_run=true", []part{{"file", pack(t, capabilities("custom-yolo", "1"))}}, 422, `"body.metadata.version"`},
		"metadata disagree":         {"?dry_run=true", []part{good, {"metadata", `{"version": "2.0.0"}`}}, 422, `make them the same`},
		"metadata are no JSON":      {"?dry_run=true", []part{{"metadata", `{`}, good}, 422, `"body.metadata"`},
		"metadata misspelt":         {"?dry_run=true", []part{{"metadata", `{"organization": "cell-lab"}`}, good}, 422, `unknown field`},
		"two metadata objects":      {"?dry_run=true", []part{{"metadata", `{}{}`}, good}, 422, `something follows`},
		"a dry run, or not":         {"?dry_run=1", []part{good}, 422, `say true or false`},
		"a dry run without a word":  {"?dry_run", []part{good}, 422, `say true or false`},
		"both":                      {"?dry_run=false&dry_run=true", []part{good}, 422, `say true or false`},
		"a query misspelt":          {"?dryrun=true", []part{good}, 422, `"query.dryrun"`},
		"a query that is none":      {"?dry_run=true;x=%", []part{good}, 400, `cannot be read`},
		"unknown field":             {"?dry_run=true", []part{good, {"color", "red"}}, 422, `"body.color"`},
		"metadata too large":        {"?dry_run=true", []part{{"metadata", strings.Repeat(" ", 65<<10)}, good}, 413, `at most 65536 bytes`},
		"package too large":         {"?dry_run=true", []part{{"file", strings.Repeat("x", maxPackage+1)}}, 413, `at most 1 MiB`},
	} {
		from++ // an address of its own: one may send twenty at once
		t.Run(name, func(t *testing.T) {
			got := ann.upload(t, c.query, c.parts, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", from))
			if got.status != c.status || !strings.Contains(got.body, c.text) || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s, want %d with %s", got.status, got.body, c.status, c.text)
			}
		})
	}
	left := 0
	_ = filepath.WalkDir(filepath.Join(r.config.DataDir, "packages"), func(_ string, e os.DirEntry, _ error) error {
		if !e.IsDir() {
			left++
		}
		return nil
	})
	if left > 0 { // the room that refused uploads take is in nobody's quota
		t.Errorf("%d packages were left", left)
	}
	if got, err := ann.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload?dry_run=true", "text/plain", strings.NewReader("x")); got.status != 400 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOnlyWhoMayDoesIt(t *testing.T) {
	r := start(t, hub.Config{})
	ann, bob := r.client(t, "ann"), r.client(t, "bob")
	reader := client{ann.url, r.token(t, "ann", login.Author, login.ScopeRead), http.DefaultClient}
	boss := client{ann.url, r.token(t, "boss", login.Operator, login.Scopes...), http.DefaultClient}
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	at := "/api/v1/trainers/validation/" + id
	for name, c := range map[string]struct {
		who          client
		method, path string
		want         int
	}{
		"without a login":          {client{ann.url, "", http.DefaultClient}, http.MethodGet, at, 401},
		"with a wrong token":       {client{ann.url, "tah_x", http.DefaultClient}, http.MethodGet, at, 401},
		"another's":                {bob, http.MethodGet, at, 404},
		"another's events":         {bob, http.MethodGet, at + "/events", 404},
		"another's log":            {bob, http.MethodGet, at + "/log", 404},
		"another's cancel":         {bob, http.MethodPost, at + "/cancel", 404},
		"one's own to read":        {reader, http.MethodGet, at, 200},
		"to cancel with a reader":  {reader, http.MethodPost, at + "/cancel", 403},
		"to upload with a reader":  {reader, http.MethodPost, "/api/v1/trainers/upload", 403},
		"a token by a token":       {ann, http.MethodGet, "/api/v1/tokens", 401},
		"the operator":             {boss, http.MethodGet, at, 200},
		"what is not there":        {ann, http.MethodGet, "/api/v1/trainers/validation/x", 404},
		"events that are not mine": {ann, http.MethodGet, "/api/v1/trainers/validation/x/events", 404},
	} {
		if got := c.who.ask(t, c.method, c.path); got.status != c.want {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.want)
		}
	}
	if list := bob.ask(t, http.MethodGet, "/api/v1/trainers/validation?all=true").body; list != "[]\n" {
		t.Errorf("bob sees %s", list)
	}
	if list := boss.ask(t, http.MethodGet, "/api/v1/trainers/validation?all=true").body; !strings.Contains(list, id) {
		t.Errorf("the operator sees %s", list)
	}
}

func TestOneTimeLinkBeginsASession(t *testing.T) {
	r := start(t, hub.Config{})
	link, err := r.Link(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	browser := client{"", "", &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	// Whoever only looks at the link (a preview in a chat, twice) uses nothing up, and is nobody.
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
		got := browser.ask(t, method, link)
		if got.status != 200 || got.header.Get("Set-Cookie") != "" || method == http.MethodGet && !strings.Contains(got.body, "Log in as operator") {
			t.Fatalf("%s: %+v", method, got)
		}
	}
	browser.url = r.URL()
	use := func(site string) reply {
		t.Helper()
		_, code, _ := strings.Cut(link, "?")
		got, err := browser.do(t.Context(), http.MethodPost, "/login", "application/x-www-form-urlencoded", strings.NewReader(code), "Sec-Fetch-Site", site)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	// Another site cannot log the browser in as whom it likes.
	if got := use("cross-site"); got.status != 403 || got.header.Get("Set-Cookie") != "" || !strings.Contains(got.body, "another site") {
		t.Fatalf("%+v", got)
	}
	if got := use("same-origin"); got.status != 303 || !strings.Contains(got.header.Get("Set-Cookie"), "HttpOnly; SameSite=Lax") {
		t.Fatalf("%+v", got)
	}
	if got := browser.ask(t, http.MethodGet, "/api/v1/me"); got.status != 200 || !strings.Contains(got.body, `"operator":true`) {
		t.Errorf("%+v", got)
	}
	// Another site cannot use the session, whatever it sends.
	made, err := browser.do(t.Context(), http.MethodPost, "/api/v1/tokens", "application/json", strings.NewReader(`{"name":"ci","scopes":["publish"]}`), "Sec-Fetch-Site", "cross-site")
	if made.status != 403 || err != nil {
		t.Errorf("from another site: %+v, %v", made, err)
	}
	made, err = browser.do(t.Context(), http.MethodPost, "/api/v1/tokens", "application/json", strings.NewReader(`{"name":"ci","scopes":["publish"]}`))
	if made.status != 201 || !strings.Contains(made.body, `"secret":"tah_`) || err != nil {
		t.Errorf("%+v, %v", made, err)
	}
	if got := (client{"", "", http.DefaultClient}).ask(t, http.MethodGet, link); got.status != 401 {
		t.Errorf("the link a second time: %+v", got)
	}
	if got := use("same-origin"); got.status != 401 {
		t.Errorf("its button a second time: %+v", got)
	}
	if got := browser.ask(t, http.MethodPost, "/logout"); got.status != 204 {
		t.Errorf("%+v", got)
	}
	if got := browser.ask(t, http.MethodGet, "/api/v1/me"); got.status != 401 {
		t.Errorf("after the logout: %+v", got)
	}
}

func TestLoginsAreFew(t *testing.T) {
	r := start(t, hub.Config{})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		guessed := 0
		for guessed < 50 && (client{r.URL(), "", http.DefaultClient}).ask(t, method, "/login?code=guess").status != http.StatusTooManyRequests {
			guessed++
		}
		if guessed == 50 {
			t.Errorf("50 codes could be guessed in a row by %s", method)
		}
	}
}

// What a server prints is kept in its logs: it prints no login.
func TestServerPrintsNoLink(t *testing.T) {
	for name, c := range map[string]struct {
		config hub.Config
		link   bool
	}{
		"at a desk":        {hub.Config{}, true},
		"by a name":        {hub.Config{URL: "http://localhost:7070"}, true},
		"behind a proxy":   {hub.Config{BehindProxy: true}, false},
		"for other people": {hub.Config{URL: "https://hub.example.com"}, false},
	} {
		if link, err := start(t, c.config).Link(t.Context()); (link != "") != c.link || err != nil {
			t.Errorf("%s: %q, %v", name, link, err)
		}
	}
}

// Behind a proxy each address has limits of its own, and none makes itself another one; without
// one nobody is believed.
func TestLimitsBehindAProxy(t *testing.T) {
	for _, behind := range []bool{true, false} {
		t.Run(fmt.Sprint(behind), func(t *testing.T) {
			anybody := client{start(t, hub.Config{BehindProxy: behind}).URL(), "", http.DefaultClient}
			limited := func(forwarded string) bool {
				t.Helper()
				return anybody.ask(t, http.MethodGet, "/login?code=guess", "X-Forwarded-For", forwarded).status == http.StatusTooManyRequests
			}
			for n := 0; !limited("198.51.100.1"); n++ {
				if n == 50 {
					t.Fatal("50 codes could be guessed in a row")
				}
			}
			if !limited("203.0.113.9, 198.51.100.1") {
				t.Error("a client made itself another address")
			}
			if limited("198.51.100.1, 198.51.100.2") == behind {
				t.Errorf("another address has limits of its own: %v, want %v", !behind, behind)
			}
		})
	}
}

// A cancelled submission stops at once, and leaves nothing.
func TestCancelEndsTheWork(t *testing.T) {
	begun := make(chan string, 1)
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: waiting(begun)}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	dir := <-begun
	if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/cancel"); got.status != 200 || !strings.Contains(got.body, `"state":"cancelled"`) {
		t.Fatalf("%+v", got)
	}
	again := ann.submit(t, "another-one", "1.0.0", "?dry_run=true")
	<-begun // the worker is free
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
	if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/retry"); got.status != 200 || !strings.Contains(got.body, `"attempt":2`) {
		t.Errorf("%+v", got)
	}
	for _, open := range []string{again, id} {
		if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+open+"/cancel"); got.status != 200 {
			t.Errorf("%+v", got)
		}
	}
}

// A hub that stops gives its work back at once; the next one begins it again.
func TestStopGivesTheWorkBack(t *testing.T) {
	begun := make(chan string, 1)
	config := hub.Config{DataDir: filepath.Join(t.TempDir(), "data"), Stages: hub.Stages{submission.Testing: waiting(begun)}}
	var id string
	t.Run("first", func(t *testing.T) {
		r := start(t, config)
		id = r.client(t, "ann").submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
		<-begun
	})
	config.Stages = nil
	r := start(t, config)
	ann := r.client(t, "ann")
	ann.follow(t, id)
	if v := ann.get(t, id); v.State != submission.Proven || v.Attempt != 1 {
		t.Errorf("%+v", v)
	}
}

func TestRejectionNamesItsReason(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Scanning: reporting(contract.StepReport{Name: "pickles", Status: contract.StepFailed, Findings: []contract.Finding{
		{Rule: "pickle.global", Severity: contract.SeverityError, File: "weights.pkl", Text: "it calls os.system", Fix: "use safetensors"},
	}})}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ann.follow(t, id)
	v := ann.get(t, id)
	if v.Status != "failed" || v.State != submission.Rejected || v.Reason != "pickles failed" || v.Results["security"].Passed {
		t.Errorf("%+v", v)
	}
}

func TestWhereTheHubKeepsItsFilesIsNotTold(t *testing.T) {
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: func(ctx context.Context, w *hub.Work) error {
		return w.Report(ctx, contract.StepReport{Name: "structure", Status: contract.StepPassed, Log: "reading " + w.Dir + "/tested/train.py", Findings: []contract.Finding{
			{Rule: "x", Severity: contract.SeverityNote, Text: w.Dir + "/a", Fix: "look at " + w.File},
		}})
	}}})
	ann := r.client(t, "ann")
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ann.follow(t, id)
	at := "/api/v1/trainers/validation/" + id
	for _, path := range []string{at, at + "/log", at + "/log?step=structure", at + "/events"} {
		if got := ann.ask(t, http.MethodGet, path); got.status != 200 || strings.Contains(got.body, r.config.DataDir) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if got := ann.ask(t, http.MethodGet, at+"/log?step=structure").body; got != "reading …/tested/train.py" {
		t.Errorf("got %q", got)
	}
	if got := ann.ask(t, http.MethodGet, at+"/log?step=other").body; got != "" {
		t.Errorf("got %q", got)
	}
}

// Nor why a stage ended, which is in events and in what the author is told.
func TestWhyAStageEndedTellsNoPaths(t *testing.T) {
	ends := make(chan error, 1)
	r := start(t, hub.Config{Database: storetest.Postgres(t), Stages: hub.Stages{submission.Testing: func(_ context.Context, w *hub.Work) error {
		text := fmt.Sprintf("mkdir %s/x beside %s and %s: no space\x00 left\xff", w.Dir, w.File, w.Lock)
		if err := <-ends; err != nil {
			return &hub.Rejection{Reason: text}
		}
		return errors.New(text)
	}}})
	ann := r.client(t, "ann")
	const want = "mkdir …/x beside …/"
	for kind, end := range map[string]error{"fault": nil, "state": errors.New("reject")} {
		ends <- end
		id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
		ctx, stop := context.WithTimeout(t.Context(), streamPatience)
		_, events := ann.stream(ctx, t, id)
		lines, told := bufio.NewScanner(events), ""
		for lines.Scan() && !strings.Contains(told, "no space left") {
			told = lines.Text()
		}
		stop()
		if !strings.Contains(told, want) || strings.Contains(told, r.config.DataDir) {
			t.Errorf("%s: %q", kind, told)
		}
		_ = ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/cancel")
	}
}

// What nothing serves is a problem as every other error.
func TestUnknownAddressIsAProblem(t *testing.T) {
	anybody := client{start(t, hub.Config{}).URL(), "", http.DefaultClient}
	for _, c := range []struct {
		method, path string
		status       int
		text         string
	}{
		{http.MethodGet, "/nowhere", 404, "/openapi.json"},
		{http.MethodGet, "/api/v1/trainers/", 404, "/openapi.json"},
		{http.MethodPost, "/healthz", 405, "GET, HEAD"},
		{http.MethodDelete, "/api/v1/trainers/x/versions", 405, "GET, HEAD"},
	} {
		if got := anybody.ask(t, c.method, c.path); got.status != c.status || got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, c.text) {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
}

func TestTwoHubsDoNotShareAFolder(t *testing.T) {
	r := start(t, hub.Config{})
	config := r.config
	if h, err := hub.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "another hub runs on") {
		t.Errorf("%v", err)
		_ = h.Close()
	}
}

func TestDescribesItself(t *testing.T) {
	r := start(t, hub.Config{})
	anybody := client{r.URL(), "", http.DefaultClient}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	anybody.ask(t, http.MethodGet, "/openapi.json").into(t, &doc)
	for _, path := range []string{"/api/v1/trainers/upload", "/api/v1/trainers/validation/{id}", "/api/v1/trainers/validation/{id}/events", "/api/v1/trainers/validation/{id}/cancel", "/healthz"} {
		if doc.Paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		if got := anybody.ask(t, http.MethodGet, path); got.status != 200 || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
