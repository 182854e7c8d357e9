package trackers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20 // bytes
	maxParam       = 500     // characters of a parameter's value, MLflow's limit for every version
	jobTag         = "trainer.job_id"
)

// mlflow is a run of an MLflow server (https://mlflow.org/docs/latest/api_reference/rest-api.html).
type mlflow struct {
	api        string
	experiment string
	authorize  func(*http.Request)
	run        Run
	client     *http.Client
	id         string
}

func newMLflow(address string, run Run, getenv func(string) string) (*mlflow, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("MLFLOW_TRACKING_URI is not an http or https URL: no metrics are sent to MLflow")
	}
	user, password, token := getenv("MLFLOW_TRACKING_USERNAME"), getenv("MLFLOW_TRACKING_PASSWORD"), getenv("MLFLOW_TRACKING_TOKEN")
	if u.User != nil && user == "" {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	u.User = nil
	experiment := getenv("MLFLOW_EXPERIMENT_NAME")
	if experiment == "" {
		experiment = "Default"
	}
	return &mlflow{api: strings.TrimRight(u.String(), "/") + "/api/2.0/mlflow/", experiment: experiment, run: run, authorize: func(r *http.Request) {
		switch {
		case user != "":
			r.SetBasicAuth(user, password)
		case token != "":
			r.Header.Set("Authorization", "Bearer "+token)
		}
	}}, nil
}

// begin finds the run of an earlier life of this job, or makes one.
func (m *mlflow) begin(ctx context.Context) error {
	experiment, err := m.experimentID(ctx)
	if err != nil {
		return err
	}
	var found struct {
		Runs []struct{ Info runInfo }
	}
	filter := "tags.`" + jobTag + "` = '" + m.run.JobID + "'" // a JOB_ID has no quotes
	if err := m.post(ctx, "runs/search", map[string]any{"experiment_ids": []string{experiment}, "filter": filter, "max_results": 1}, &found); err != nil {
		return err
	}
	if len(found.Runs) > 0 {
		m.id = found.Runs[0].Info.RunID
		err = m.post(ctx, "runs/update", map[string]any{"run_id": m.id, "status": "RUNNING"}, nil)
	} else {
		err = m.create(ctx, experiment)
	}
	if err != nil {
		return err
	}
	return m.describe(ctx)
}

func (m *mlflow) create(ctx context.Context, experiment string) error {
	var made struct{ Run struct{ Info runInfo } }
	tags := []pair{{jobTag, m.run.JobID}}
	for _, name := range slices.Sorted(maps.Keys(m.run.Tags)) {
		tags = append(tags, pair{name, m.run.Tags[name]})
	}
	err := m.post(ctx, "runs/create", map[string]any{
		"experiment_id": experiment, "run_name": m.run.JobID, "start_time": m.run.Started.UnixMilli(), "tags": tags,
	}, &made)
	m.id = made.Run.Info.RunID
	return err
}

// describe sends the parameters, of a run that was found too: the try that made it may
// have ended before them.
func (m *mlflow) describe(ctx context.Context) error {
	var params []pair
	for _, name := range slices.Sorted(maps.Keys(m.run.Params)) {
		value := []rune(m.run.Params[name])
		params = append(params, pair{name, string(value[:min(len(value), maxParam)])})
	}
	err := m.post(ctx, "runs/log-batch", map[string]any{"run_id": m.id, "params": params}, nil)
	if errors.As(err, new(refusal)) {
		return nil // MLflow changes none that is there, and the metrics are what counts
	}
	return err
}

type runInfo struct {
	RunID string `json:"run_id"`
}

// pair is a tag or a parameter.
type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (m *mlflow) experimentID(ctx context.Context) (string, error) {
	id, err := m.experimentByName(ctx)
	if !errors.As(err, new(refusal)) {
		return id, err
	}
	var made struct {
		ID string `json:"experiment_id"`
	}
	err = m.post(ctx, "experiments/create", map[string]any{"name": m.experiment}, &made)
	if errors.As(err, new(refusal)) { // another job may have made it meanwhile
		if id, again := m.experimentByName(ctx); again == nil {
			return id, nil
		}
	}
	return made.ID, err
}

func (m *mlflow) experimentByName(ctx context.Context) (string, error) {
	var got struct {
		Experiment struct {
			ID string `json:"experiment_id"`
		}
	}
	err := m.call(ctx, http.MethodGet, "experiments/get-by-name?experiment_name="+url.QueryEscape(m.experiment), nil, &got)
	return got.Experiment.ID, err
}

// unnamed are the characters that MLflow takes in no metric's name.
var unnamed = regexp.MustCompile(`[^\w/. :-]`)

func (m *mlflow) log(ctx context.Context, points []point) error {
	type metric struct {
		Key       string  `json:"key"`
		Value     float64 `json:"value"`
		Timestamp int64   `json:"timestamp"` // milliseconds
		Step      int     `json:"step"`
	}
	metrics := make([]metric, 0, len(points))
	for _, p := range points {
		metrics = append(metrics, metric{unnamed.ReplaceAllString(p.name, "_"), p.value, p.at.UnixMilli(), p.epoch})
	}
	return m.post(ctx, "runs/log-batch", map[string]any{"run_id": m.id, "metrics": metrics}, nil)
}

func (m *mlflow) end(ctx context.Context, s status) error {
	return m.post(ctx, "runs/update", map[string]any{"run_id": m.id, "status": s, "end_time": time.Now().UnixMilli()}, nil)
}

func (m *mlflow) post(ctx context.Context, path string, body, into any) error {
	return m.call(ctx, http.MethodPost, path, body, into)
}

// call makes one request. An answer of 4xx is a refusal, but for those that ask for
// patience. What the server said is not repeated: it may repeat what it was sent.
func (m *mlflow) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	text := []byte{}
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return refusal{err}
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, m.api+path, bytes.NewReader(text))
	if err != nil {
		return refusal{err}
	}
	request.Header.Set("Content-Type", "application/json")
	m.authorize(request)
	response, err := m.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking MLflow: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	name, _, _ := strings.Cut(path, "?")
	switch code := response.StatusCode; {
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return refusal{fmt.Errorf("MLflow answered %s to %s: check MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and its credentials", response.Status, name)}
	case code < 200 || code > 299:
		return fmt.Errorf("MLflow answered %s to %s", response.Status, name)
	case err != nil:
		return fmt.Errorf("reading MLflow's answer to %s: %w", name, err)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return refusal{fmt.Errorf("MLflow's answer to %s is not JSON: is MLFLOW_TRACKING_URI the address of a tracking server?", name)}
	}
	return nil
}
