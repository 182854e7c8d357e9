package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// TestTheDashboardShowsARealJob lets a Prometheus server scrape a job and asks
// it every query of the dashboard. A metric that no panel shows, and a panel
// that stays empty, fail it; the alerts are held against the same metrics.
func TestTheDashboardShowsARealJob(t *testing.T) {
	server := debianTool(t, "prometheus")
	gpus := fake.New(t)
	gpus.Set("gpus 2", "0.util 88", "1.power_mw 300000")
	address := jobtest.FreeAddress(t)
	j := onGPUs(t, gpus, "lingers").with("AGENT_METRICS_ADDR", address).start().ready()
	scraped := newWindow(t, "http://"+address)
	prometheus := startPrometheus(t, server, scraped.URL)

	// These come last: a checkpoint is up, the probe has spoken.
	page := scraped.until("trainer_agent_checkpoint_lag_seconds ", "trainer_agent_gpu_power_watts{")
	board := readDashboard(t, j.root("deploy", "grafana", "trainer-agent.json"))
	known := names(page)
	// A job without a memory limit does not make one up.
	const limit = "trainer_agent_container_memory_limit_bytes"

	for _, name := range known {
		if !strings.Contains(strings.Join(board.queries(), "\n"), name+"{") {
			t.Errorf("no panel shows %s", name)
		}
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			if strings.Contains(target.Expr, limit) && !slices.Contains(known, limit) {
				continue
			}
			if rows := prometheus.ask(target.Expr); rows == 0 {
				t.Errorf("the panel %q is empty: %s", p.Title, target.Expr)
			}
		}
	}
	for _, v := range board.Templating.List {
		if found := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Query); v.Type == "query" && (found == nil || prometheus.labels(found[2], found[1]) == 0) {
			t.Errorf("the variable %s has no values: %s", v.Name, v.Query)
		}
	}
	alerts, err := os.ReadFile(j.root("deploy", "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(string(alerts)) {
		if name != limit && !slices.Contains(known, name) {
			t.Errorf("an alert looks at %s, which no agent has", name)
		}
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "running\n"} {
		if status, body := get(t, "http://"+address+path); status != http.StatusOK || body != want {
			t.Errorf("%s while the job runs: %d %q", path, status, body)
		}
	}
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Errorf("exit code %d", code)
	}
}

func TestTheAlertsFireOnTroubleOnly(t *testing.T) {
	cmd := exec.Command(debianTool(t, "promtool"), "test", "rules", "alerts_test.yaml")
	cmd.Dir = filepath.Join(shared.root, "deploy", "prometheus")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func (j *job) root(elem ...string) string {
	return filepath.Join(append([]string{shared.root}, elem...)...)
}

// debianTool finds a program of Debian's package prometheus: in PATH, or unpacked
// below .tools, where .ci/run puts it.
func debianTool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := filepath.Join(shared.root, ".tools", "prometheus", "usr", "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return need.Program(t, name, "make prometheus, or apt-get install prometheus")
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// window stands before the agent's endpoint and sees what is scraped. A scraper
// asks again only when it has stored what it got before.
type window struct {
	*httptest.Server
	t     *testing.T
	pages chan string
	ended chan struct{}
}

func newWindow(t *testing.T, agent string) *window {
	w := &window{t: t, pages: make(chan string), ended: make(chan struct{})}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		response, err := http.Get(agent + r.URL.Path)
		if err != nil {
			return // the job is over
		}
		defer func() { _ = response.Body.Close() }()
		out.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		page, _ := io.ReadAll(response.Body)
		_, _ = out.Write(page)
		select {
		case w.pages <- string(page):
		case <-w.ended:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(w.ended); w.Close() })
	return w
}

// until returns a page that has all the wanted lines, after more scrapes of the
// kind have been stored than a rate needs.
func (w *window) until(wanted ...string) (page string) {
	w.t.Helper()
	deadline := time.After(patience)
	for full := 0; full < 5; {
		select {
		case page = <-w.pages:
		case <-deadline:
			w.t.Fatalf("never saw %v; the last scrape:\n%s", wanted, page)
		}
		if !slices.ContainsFunc(wanted, func(line string) bool { return !strings.Contains(page, line) }) {
			full++
		}
	}
	go func() { // let the rest pass
		for {
			select {
			case <-w.pages:
			case <-w.ended:
				return
			}
		}
	}()
	return page
}

// names are the metrics that a text speaks of.
func names(text string) []string {
	list := regexp.MustCompile(`\btrainer_agent_[a-z_]+`).FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

type dashboard struct {
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

func readDashboard(t *testing.T, path string) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range d.Panels {
		for _, b := range d.Panels[:i] {
			apart := a.GridPos.X >= b.GridPos.X+b.GridPos.W || b.GridPos.X >= a.GridPos.X+a.GridPos.W || a.GridPos.Y >= b.GridPos.Y+b.GridPos.H || b.GridPos.Y >= a.GridPos.Y+a.GridPos.H
			if a.ID == b.ID || !apart {
				t.Errorf("the panels %q and %q collide", a.Title, b.Title)
			}
		}
	}
	return d
}

func (d dashboard) queries() (list []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	return list
}

type prometheus struct {
	t   *testing.T
	url string
}

const scrapeEvery = 250 * time.Millisecond

func startPrometheus(t *testing.T, program, target string) prometheus {
	t.Helper()
	dir, address := t.TempDir(), jobtest.FreeAddress(t)
	config := fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %[1]s}\nscrape_configs: [{job_name: trainers, static_configs: [{targets: [%[2]q]}]}]\n", scrapeEvery, strings.TrimPrefix(target, "http://"))
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return prometheus{t, "http://" + address}
}

// ask returns how many series a query of the dashboard has. A scrape that a busy machine
// was too slow for takes them away until the next one, so an empty answer is asked for again.
func (p prometheus) ask(expr string) int {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(scrapeEvery) {
		if rows := p.rows(expr); rows > 0 || time.Now().After(end) {
			return rows
		}
	}
}

func (p prometheus) rows(expr string) int {
	p.t.Helper()
	// As Grafana fills them in.
	expr = strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$job", ".*").Replace(expr)
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if answer.Error != "" {
		p.t.Errorf("%s: %s", expr, answer.Error)
	}
	return len(answer.Data.Result)
}

// labels returns how many values a label has among some series.
func (p prometheus) labels(label, match string) int {
	p.t.Helper()
	match = strings.ReplaceAll(match, "$job", ".*")
	var answer struct{ Data []string }
	p.get("/api/v1/label/"+label+"/values?match[]="+url.QueryEscape(match), &answer)
	return len(answer.Data)
}

func (p prometheus) get(path string, into any) {
	p.t.Helper()
	_, body := get(p.t, p.url+path)
	if err := json.Unmarshal([]byte(body), into); err != nil {
		p.t.Fatalf("%s: %v: %s", path, err, body)
	}
}
