package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
	"github.com/vision-platform/trainer-agent/contract"
)

// evidence is what a job left at the backend and in the bucket.
type evidence struct {
	job      demoJob
	exitCode int
	calls    []backend.Call
	objects  []platform.Object
	manifest contract.Manifest
}

func collect(ctx context.Context, p *platform.Platform, job demoJob, exitCode int) (e *evidence, err error) {
	e = &evidence{job: job, exitCode: exitCode, calls: p.Backend.Calls(job.id)}
	if e.objects, err = p.Objects(ctx, ""); err != nil {
		return nil, err
	}
	if _, ok := e.object(contract.ManifestKey(job.id)); !ok {
		return e, nil
	}
	body, err := p.Read(ctx, contract.ManifestKey(job.id))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &e.manifest); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return e, nil
}

func (e *evidence) object(key string) (platform.Object, bool) {
	i := slices.IndexFunc(e.objects, func(o platform.Object) bool { return o.Key == key })
	if i < 0 {
		return platform.Object{}, false
	}
	return e.objects[i], true
}

// checkpoint finds a checkpoint by its name without extension, a file or a folder.
func (e *evidence) checkpoint(name string) bool {
	prefix := contract.CheckpointKey(e.job.id, name)
	return slices.ContainsFunc(e.objects, func(o platform.Object) bool {
		rest, ok := strings.CutPrefix(o.Key, prefix)
		return ok && o.Size > 0 && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "/"))
	})
}

// missing names everything that should have happened and did not.
func (e *evidence) missing() []string {
	var m []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			m = append(m, fmt.Sprintf(format, args...))
		}
	}
	need(e.exitCode == contract.ExitOK, "exit code 0 of the agent (it was %d)", e.exitCode)
	for _, c := range e.calls {
		need(c.Problem == "", "a valid %s: the backend refused call %d: %s", c.Kind, c.Seq, c.Problem)
	}
	for _, t := range []contract.EventType{
		contract.EventAgentStarted, contract.EventDatasetDownloaded, contract.EventDatasetPrepared,
		contract.EventTrainingStarted, contract.EventCheckpointSaved, contract.EventTrainingFinished,
	} {
		need(len(backend.Events(e.calls, t)) > 0, "the event %s", t)
	}
	m = append(m, e.missingEpochs()...)
	m = append(m, e.missingObjects()...)
	return append(m, e.missingDone()...)
}

// missingEpochs wants a heartbeat with a loss and a validation with the primary
// metric for every epoch, and a metric that rose.
func (e *evidence) missingEpochs() []string {
	var m []string
	loss := map[int]bool{}
	for _, c := range backend.Accepted(e.calls, contract.KindHeartbeat) {
		var h contract.Heartbeat
		if c.Decode(&h) == nil && hasLoss(h.Metrics) {
			loss[h.Epoch] = true
		}
	}
	values := map[int]float64{}
	for _, v := range e.validations() {
		if v.PrimaryMetricName == e.job.task.PrimaryMetric() && v.PrimaryMetricValue.Finite() {
			values[v.Epoch] = float64(v.PrimaryMetricValue)
		}
	}
	best := 0.0
	for epoch := 1; epoch <= e.job.epochs; epoch++ {
		if !loss[epoch] {
			m = append(m, fmt.Sprintf("a heartbeat with a loss for epoch %d", epoch))
		}
		if _, ok := values[epoch]; !ok {
			m = append(m, fmt.Sprintf("a validation with %s for epoch %d", e.job.task.PrimaryMetric(), epoch))
		}
		best = max(best, values[epoch])
	}
	const learned = 0.9 // a first epoch above this leaves nothing to rise
	if first := values[1]; best <= 0 || (e.job.epochs > 1 && best <= first && first < learned) {
		m = append(m, fmt.Sprintf("a rising %s (first %.4f, best %.4f)", e.job.task.PrimaryMetric(), first, best))
	}
	return m
}

func hasLoss(metrics contract.Metrics) bool {
	for name, value := range metrics {
		if strings.Contains(name, "loss") && value.Finite() && value > 0 {
			return true
		}
	}
	return false
}

func (e *evidence) validations() []contract.Validation {
	var list []contract.Validation
	for _, c := range backend.Accepted(e.calls, contract.KindValidation) {
		var v contract.Validation
		if c.Decode(&v) == nil {
			list = append(list, v)
		}
	}
	return list
}

func (e *evidence) missingObjects() []string {
	var m []string
	names := []string{"best", "last"}
	for epoch := e.job.checkpointFrequency(); epoch <= e.job.epochs; epoch += e.job.checkpointFrequency() {
		names = append(names, fmt.Sprintf("epoch-%d", epoch))
	}
	for _, name := range names {
		if !e.checkpoint(name) {
			m = append(m, "the checkpoint "+contract.CheckpointKey(e.job.id, name)+".*")
		}
	}
	for _, key := range []string{contract.ManifestKey(e.job.id), contract.TrainingLogKey(e.job.id), contract.ResultKey(e.job.id)} {
		if o, _ := e.object(key); o.Size == 0 {
			m = append(m, "the object "+key)
		}
	}
	for _, f := range e.manifest.Files {
		if o, _ := e.object(contract.CheckpointKey(e.job.id, f.Name)); o.Size != f.SizeBytes {
			m = append(m, fmt.Sprintf("%s of %d bytes, as the manifest says (there are %d)", f.Name, f.SizeBytes, o.Size))
		}
	}
	return m
}

// missingDone wants exactly one done, the last of all, succeeded and with metrics.
func (e *evidence) missingDone() []string {
	accepted := backend.Accepted(e.calls)
	finals := backend.Accepted(e.calls, contract.KindDone)
	if len(finals) != 1 || accepted[len(accepted)-1].Seq != finals[0].Seq {
		return []string{fmt.Sprintf("one done as the last callback (there are %d)", len(finals))}
	}
	var done contract.Done
	if err := finals[0].Decode(&done); err != nil {
		return []string{"a readable done: " + err.Error()}
	}
	if done.Status != contract.StatusSucceeded {
		return []string{fmt.Sprintf("done = succeeded (it is %s: %s)", done.Status, aws.ToString(done.ErrorMessage))}
	}
	var m []string
	if len(done.FinalMetrics) == 0 {
		m = append(m, "final metrics in done")
	}
	if done.CheckpointPath == nil {
		m = append(m, "the checkpoint's path in done")
	}
	return m
}
