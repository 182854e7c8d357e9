package usage

import (
	"context"
	"fmt"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// How a training ended; running is one whose end was not told yet, or never will be.
const (
	Running   = "running"
	Succeeded = "succeeded"
	Failed    = "failed"
	Stopped   = "stopped" // by somebody; nobody's fault
)

// How many trainings are looked at, newest first, and how many of them are shown one by one.
const (
	looked = 1000
	shown  = 10
)

// Analytics are the numbers of a trainer.
type Analytics struct {
	Trainings int        `json:"trainings" doc:"How many of the last 1000 are counted below."`
	Succeeded int        `json:"succeeded"`
	Failed    int        `json:"failed"`
	Stopped   int        `json:"stopped" doc:"By somebody before their end."`
	Running   int        `json:"running" doc:"Whose end was not told."`
	Median    *float64   `json:"median_seconds" doc:"Of the training process of those that succeeded; null where there is none."`
	Causes    []Cause    `json:"causes" doc:"Of failures, most frequent first."`
	Recent    []Training `json:"recent" doc:"The last 10, newest first."`
}

// Cause is one cause of failures.
type Cause struct {
	Of    string `json:"of" doc:"Whose turn it is: trainer, settings, data, infrastructure."`
	Code  string `json:"code" doc:"The agent's code of the failure."`
	Count int    `json:"count"`
}

// Training is one training. Who trained, and on what data, is not kept.
type Training struct {
	Version string   `json:"version"`
	Task    string   `json:"task"`
	Device  string   `json:"device"`
	Started int64    `json:"started" doc:"Milliseconds since 1970."`
	Seconds float64  `json:"seconds" doc:"Of the training process; 0 until they are told."`
	Status  string   `json:"status" doc:"running, succeeded, failed, stopped."`
	Code    string   `json:"failure_code"`
	Metric  string   `json:"metric" doc:"The name of the primary metric."`
	Value   *float64 `json:"value" doc:"Of the primary metric, on the job's own data; null where none was told."`
}

// Of returns the numbers of a trainer.
func (t *Trainings) Of(ctx context.Context, name string) (a Analytics, err error) {
	a.Causes, a.Recent = []Cause{}, []Training{}
	all, err := t.last(ctx, name)
	if err != nil {
		return a, err
	}
	a.Trainings, a.Recent = len(all), append(a.Recent, all[:min(shown, len(all))]...)
	var seconds []float64
	for _, one := range all {
		switch one.Status {
		case Succeeded:
			a.Succeeded++
			seconds = append(seconds, one.Seconds)
		case Stopped:
			a.Stopped++
		case Failed:
			a.Failed++
			a.Causes = add(a.Causes, one.Code)
		default:
			a.Running++
		}
	}
	slices.SortStableFunc(a.Causes, func(x, y Cause) int { return y.Count - x.Count })
	if len(seconds) > 0 {
		slices.Sort(seconds)
		middle := (seconds[(len(seconds)-1)/2] + seconds[len(seconds)/2]) / 2
		a.Median = &middle
	}
	return a, nil
}

func (t *Trainings) last(ctx context.Context, name string) (list []Training, err error) {
	rows, err := t.db.QueryContext(ctx, `SELECT version, task, device, started, seconds, status, failure_code, metric, value FROM trainings
		WHERE name = $1 ORDER BY started DESC, job_id LIMIT $2`, name, looked)
	if err != nil {
		return nil, fmt.Errorf("reading trainings: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var one Training
		if err := rows.Scan(&one.Version, &one.Task, &one.Device, &one.Started, &one.Seconds, &one.Status, &one.Code, &one.Metric, &one.Value); err != nil {
			return nil, fmt.Errorf("reading trainings: %w", err)
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

func add(causes []Cause, code string) []Cause {
	for i := range causes {
		if causes[i].Code == code {
			causes[i].Count++
			return causes
		}
	}
	return append(causes, Cause{blame(contract.Code(code)), code, 1})
}

// blame says whose turn it is after a failure: a trainer is not judged by the settings, the
// data and the machines of those who train with it.
func blame(code contract.Code) string {
	switch code {
	case contract.CodeTrainingFailed, contract.CodeHung, contract.CodeInferenceFailed, contract.CodeExportFailed:
		return "trainer"
	case contract.CodeConfigInvalid, contract.CodeWeightsUnavailable, contract.CodeCUDAOOM, contract.CodeHostOOM, contract.CodeTrainingTimeout, contract.CodeNaNLoss:
		return "settings"
	case contract.CodeDatasetNotFound, contract.CodeDatasetInvalid, contract.CodeDatasetTooLarge:
		return "data"
	default: // storage, disks, GPUs, networks, and the agent itself
		return "infrastructure"
	}
}
