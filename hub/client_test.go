package hub_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

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
	return c.submitFiles(t, capabilities(name, version), query, header...)
}

// submitNeeding submits a package with requirements.
func (c client) submitNeeding(t *testing.T, name, version, requires string) string {
	t.Helper()
	return c.submitFiles(t, map[string]string{"capabilities.json": fmt.Sprintf(`{"framework": %q, "version": %q, "requires": %s}`, name, version, requires)}, "")
}

func (c client) submitFiles(t *testing.T, files map[string]string, query string, header ...string) string {
	t.Helper()
	r := c.upload(t, query, []part{{"file", pack(t, files)}}, header...)
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
		Threats         []string
		ModelsValidated int `json:"models_validated"`
	}
	Steps []contract.StepReport
}

func (c client) get(t *testing.T, id string) (v validation) {
	t.Helper()
	c.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+id).into(t, &v)
	return v
}
