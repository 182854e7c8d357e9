package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// script is what the stages do, one command after the other, as the browser's test says.
type script chan command

type command struct {
	Begin  string
	Write  string // as a step's process does
	Report *contract.StepReport
	Reject string
	Fault  string
	Done   bool
}

func (s script) stage(ctx context.Context, w *hub.Work) error {
	out, done := w.Output()
	defer done()
	for {
		select {
		case c := <-s:
			if c.Done {
				return nil
			}
			_, _ = io.WriteString(out, c.Write)
			if err := c.do(ctx, w); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c command) do(ctx context.Context, w *hub.Work) error {
	switch {
	case c.Write != "":
		return nil
	case c.Begin != "":
		return w.Begin(ctx, c.Begin)
	case c.Report != nil:
		return w.Report(ctx, *c.Report)
	case c.Fault != "":
		return errors.New(c.Fault)
	default:
		return &hub.Rejection{Reason: c.Reject}
	}
}

// front is a proxy before the hub that can break lines, and be away. What happens is
// said to another server, whose lines stay whole.
type front struct {
	*httptest.Server
	control *httptest.Server
	away    atomic.Bool
	held    atomic.Bool // answers to uploads, until the browser gives up
}

func (r running) front(t *testing.T, steps script) *front {
	t.Helper()
	to, err := url.Parse(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	f, mux := &front{}, http.NewServeMux()
	f.control = httptest.NewServer(mux)
	t.Cleanup(f.control.Close)
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host }}
	proxy.ModifyResponse = func(resp *http.Response) error {
		if !f.held.Load() || !strings.HasSuffix(resp.Request.URL.Path, "/upload") {
			return nil
		}
		<-resp.Request.Context().Done()
		return resp.Request.Context().Err()
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if f.away.Load() {
			http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	mux.HandleFunc("POST /cut", func(http.ResponseWriter, *http.Request) { f.CloseClientConnections() })
	mux.HandleFunc("POST /hold", func(_ http.ResponseWriter, req *http.Request) { f.held.Store(req.URL.Query().Get("is") == "true") })
	mux.HandleFunc("POST /away", func(_ http.ResponseWriter, req *http.Request) {
		f.away.Store(req.URL.Query().Get("is") == "true")
		f.CloseClientConnections()
	})
	mux.HandleFunc("POST /step", func(w http.ResponseWriter, req *http.Request) {
		var c command
		if err := json.NewDecoder(req.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case steps <- c:
		case <-req.Context().Done():
		}
	})
	mux.HandleFunc("POST /published", r.publishes(t))
	mux.HandleFunc("POST /login", r.loginOf(t, false))
	mux.HandleFunc("POST /expire", r.loginOf(t, true))
	return f
}

// loginOf answers with a one-time link's path for a user; or ends every session, as time does.
func (r running) loginOf(t *testing.T, end bool) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		db, err := hub.OpenDatabase(req.Context(), r.config.DataDir, r.config.Database)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = db.Close() }()
		if end {
			_, err = db.ExecContext(req.Context(), `DELETE FROM sessions`)
		} else {
			err = link(req, w, login.New(db, time.Now))
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// publishes makes a version of a submission, as a hub does that has a registry.
func (r running) publishes(t *testing.T) http.HandlerFunc {
	return func(_ http.ResponseWriter, req *http.Request) {
		db, err := hub.OpenDatabase(req.Context(), r.config.DataDir, r.config.Database)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = db.Close() }()
		for _, statement := range []string{
			`UPDATE submissions SET state = 'active', dry_run = 0, holds = 1 WHERE id = $1`,
			`INSERT INTO trainers (name, skeleton, owner, created) SELECT name, name, owner, 0 FROM submissions WHERE id = $1`,
			`INSERT INTO versions (name, version, submission_id, sha256, receipt, published) SELECT name, version, id, sha256, '{}', 0 FROM submissions WHERE id = $1`,
		} {
			if _, err := db.ExecContext(req.Context(), statement, req.URL.Query().Get("id")); err != nil {
				t.Error(err)
			}
		}
	}
}

func link(req *http.Request, w io.Writer, users *login.Users) error {
	id, err := users.Ensure(req.Context(), req.URL.Query().Get("user"), req.URL.Query().Get("role"))
	if err != nil {
		return err
	}
	code, err := users.Link(req.Context(), id)
	_, _ = io.WriteString(w, "/login?code="+code)
	return err
}

// TestPageInABrowser drives the page in headless Chromium against a hub whose stages
// do what testdata/browser.mjs says. Screenshots go to PAGE_SHOTS, when it is set.
func TestPageInABrowser(t *testing.T) {
	node, chromium, folder := need.Browser(t)
	steps := make(script)
	r := start(t, hub.Config{Stages: hub.Stages{submission.Scanning: steps.stage, submission.Testing: steps.stage}})
	f := r.front(t, steps)
	shots := os.Getenv("PAGE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "browser.mjs"))
	cmd.Env = append(os.Environ(), "PAGE_URL="+f.URL, "CONTROL_URL="+f.control.URL, "PAGE_SHOTS="+shots, "CHROMIUM="+chromium, "NODE_FOLDER="+folder, "PACKAGES="+packages(t))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("browser.mjs: %v", err)
	}
}

// packages are what the browser uploads.
func packages(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	inside := func(name, version string) map[string]string {
		return map[string]string{"cells/train.py": "", "cells/capabilities.json": `{"framework": "` + name + `", "version": "` + version + `", "display_name": "Cell counter", "description": "Counts cells."}`}
	}
	large := inside("large-cells", "1.0.0")
	large["cells/noise.bin"] = noise(700 << 10)
	for name, body := range map[string]string{
		"cells.zip": pack(t, inside("cell-counter", "1.2.0")),
		"large.zip": pack(t, large),
		"wrong.zip": pack(t, inside("Not <b>a</b> name", "1")),
		"bomb.zip":  pack(t, map[string]string{"capabilities.json": `{"x": "` + strings.Repeat(" ", 2<<20) + `"}`}),
		"text.zip":  "this is no zip",
		"none.zip":  pack(t, map[string]string{"train.py": ""}),
		"huge.zip":  strings.Repeat("x", maxPackage+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// noise is text that does not compress.
func noise(bytes int) string {
	text, state := make([]byte, bytes), uint32(1)
	for i := range text {
		state = state*1664525 + 1013904223
		text[i] = byte(state >> 24)
	}
	return string(text)
}
