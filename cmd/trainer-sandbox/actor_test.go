package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

// actor plays a trainer-agent that has nothing to train: it reports a job that
// went well, except for what the model name asks it to leave out.
type actor struct {
	env map[string]string
	n   int
	err error
}

func playAgent(environ []string) int {
	a := &actor{env: map[string]string{}}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		a.env[name] = value
	}
	a.job()
	if a.err != nil {
		fmt.Fprintln(os.Stderr, a.err)
		return 1
	}
	code, _ := strconv.Atoi(a.env["EPOCHS"])
	if a.omits("exit-0") {
		return code
	}
	return 0
}

func (a *actor) omits(what string) bool { return strings.Contains(a.env["MODEL_NAME"], what) }

func (a *actor) job() {
	epochs, _ := strconv.Atoi(a.env["EPOCHS"])
	for _, e := range []contract.EventType{contract.EventAgentStarted, contract.EventDatasetDownloaded, contract.EventDatasetPrepared, contract.EventTrainingStarted} {
		a.event(e)
	}
	metric := contract.TaskType(a.env["TASK_TYPE"]).PrimaryMetric()
	for n := 1; n <= epochs; n++ {
		value := contract.Number(0.1 * float64(n))
		if a.omits("rise") {
			value = 0.1
		}
		if !a.omits("heartbeat") || n != 2 {
			a.post(contract.KindHeartbeat, contract.Heartbeat{Epoch: n, Metrics: contract.Metrics{"loss": 1 / value, metric: value}, Timestamp: now()})
		}
		a.post(contract.KindValidation, contract.Validation{
			Epoch: n, TaskType: contract.TaskType(a.env["TASK_TYPE"]), PrimaryMetricName: metric, PrimaryMetricValue: value,
			Metrics: contract.Metrics{metric: value}, Timestamp: now(),
		})
	}
	a.upload(epochs)
	a.event(contract.EventCheckpointSaved)
	a.event(contract.EventTrainingFinished)
	path := contract.URI(a.env["BUCKET_NAME"], contract.CheckpointKey(a.env["JOB_ID"], "best.pt"))
	done := contract.Done{Status: contract.StatusSucceeded, FinalMetrics: contract.Metrics{metric: 0.3}, CheckpointPath: &path, Timestamp: now()}
	if a.omits("done") {
		a.event(contract.EventStopping)
		return
	}
	a.post(contract.KindDone, done)
}

func (a *actor) upload(epochs int) {
	job := a.env["JOB_ID"]
	manifest := contract.Manifest{JobID: job}
	objects := map[string]string{contract.TrainingLogKey(job): "log", contract.ResultKey(job): "{}"}
	names := []string{"best.pt", "last.pt"}
	frequency, _ := strconv.Atoi(a.env["CHECKPOINT_FREQUENCY"])
	for n := frequency; n <= epochs; n += frequency {
		names = append(names, fmt.Sprintf("epoch-%d.pt", n))
	}
	for _, name := range names {
		manifest.Files = append(manifest.Files, contract.ManifestFile{Name: name, SizeBytes: 5})
		objects[contract.CheckpointKey(job, name)] = "model"
	}
	if a.omits("best") {
		delete(objects, contract.CheckpointKey(job, "best.pt"))
	}
	text, err := json.Marshal(manifest)
	objects[contract.ManifestKey(job)] = string(text)
	a.err = errors.Join(a.err, err)
	server := store.Server{URL: a.env["S3_ENDPOINT"], AccessKey: a.env["AWS_ACCESS_KEY_ID"], SecretKey: a.env["AWS_SECRET_ACCESS_KEY"]}
	for key, body := range objects {
		_, err := server.Client().PutObject(context.Background(), &s3.PutObjectInput{
			Bucket: aws.String(a.env["BUCKET_NAME"]), Key: aws.String(key), Body: strings.NewReader(body),
		})
		a.err = errors.Join(a.err, err)
	}
}

func now() contract.Timestamp { return contract.At(time.Now()) }

func (a *actor) event(t contract.EventType) {
	a.post(contract.KindEvent, contract.Event{EventType: t, Message: string(t), Data: json.RawMessage(`{}`), Timestamp: now()})
}

func (a *actor) post(kind contract.Kind, payload any) {
	a.n++
	body, err := json.Marshal(payload)
	a.err = errors.Join(a.err, err)
	job := a.env["JOB_ID"]
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, a.env["BACKEND_BASE_URL"]+kind.Path(job), bytes.NewReader(body))
	if err != nil {
		a.err = errors.Join(a.err, err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(contract.HeaderAuthorization, "Bearer "+a.env["CALLBACK_TOKEN"])
	r.Header.Set(contract.HeaderTraceID, "actor")
	r.Header.Set(contract.HeaderIdempotencyKey, fmt.Sprintf("%s:%d", job, a.n))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.err = errors.Join(a.err, err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.err = errors.Join(a.err, fmt.Errorf("%s: %s", kind, resp.Status))
	}
}
