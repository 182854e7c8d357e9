package usage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const image, bundle = "sha256:1mage", "sha256:bund1e"

// open is a hub's trainings where cell-counter 1.0.0 is published.
func open(t testing.TB, db *store.DB) *usage.Trainings {
	t.Helper()
	for _, row := range []string{
		`INSERT INTO users (id, name, role, created) VALUES ('u', 'ann', 'author', 0)`,
		`INSERT INTO trainers (name, skeleton, owner, created) VALUES ('cell-counter', 'cell-counter', 'u', 0)`,
		`INSERT INTO submissions (id, name, version, sha256, size, owner, metadata, dry_run, idempotency_key, state, reason, step, attempt, holds, events, created, updated)
			VALUES ('s', 'cell-counter', '1.0.0', '', 0, 'u', '{}', 0, '', 'active', '', '', 1, 1, 0, 0, 0)`,
		`INSERT INTO versions (name, version, submission_id, sha256, receipt, published) VALUES ('cell-counter', '1.0.0', 's', '', '{}', 0)`,
	} {
		if _, err := db.ExecContext(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	return usage.New(db, time.Now, func(_ context.Context, name, version string) (contract.Release, error) {
		if name != "cell-counter" || version != "1.0.0" {
			return contract.Release{}, &usage.Uncounted{Text: "not published"}
		}
		return contract.Release{Name: name, Version: version, Image: image, Bundle: bundle}, nil
	})
}

// teller tells the messages of one job.
type teller struct {
	source, job string
	sequence    int
}

func (j *teller) message(kind contract.Kind, payload any) usage.Message {
	body, err := json.Marshal(payload)
	if err != nil {
		panic(err) // of values of this file
	}
	j.sequence++
	return usage.Message{Source: j.source, Job: j.job, Key: fmt.Sprintf("%s:%d", j.job, j.sequence), Kind: kind, Body: body}
}

func (j *teller) event(event contract.EventType, data string) usage.Message {
	return j.message(contract.KindEvent, contract.Event{EventType: event, Data: json.RawMessage(data), Timestamp: contract.At(time.Unix(int64(1000+j.sequence), 0))})
}

func (j *teller) started(version, digest string) usage.Message {
	return j.event(contract.EventAgentStarted, fmt.Sprintf(`{"job_type": "training", "task_type": "object_detection", "device": "cpu", "primary_metric": "mAP50-95",
		"trainer": {"name": "cell-counter", "version": %q, "digest": %q}}`, version, digest))
}

func (j *teller) finished(seconds float64) usage.Message {
	return j.event(contract.EventTrainingFinished, fmt.Sprintf(`{"seconds": %g}`, seconds))
}

func (j *teller) done(code contract.Code) usage.Message {
	done := contract.Done{Status: contract.StatusSucceeded, FinalMetrics: contract.Metrics{"mAP50-95": 0.5, "loss": 3}, Timestamp: contract.At(time.Unix(2000, 0))}
	if code != "" {
		why := "it failed"
		done.Status, done.ErrorMessage, done.Error, done.FinalMetrics = contract.StatusFailed, &why, contract.Failf(code, "it failed"), contract.Metrics{}
	}
	return j.message(contract.KindDone, done)
}

func take(t *testing.T, trainings *usage.Trainings, messages ...usage.Message) {
	t.Helper()
	for _, m := range messages {
		if err := trainings.Take(t.Context(), m); err != nil {
			t.Fatalf("%s of %s: %v", m.Kind, m.Job, err)
		}
	}
}

func of(t *testing.T, trainings *usage.Trainings) usage.Analytics {
	t.Helper()
	a, err := trainings.Of(t.Context(), "cell-counter")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTrainingsAreCountedByTheirEnds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		trainings := open(t, db)
		if none := of(t, trainings); none.Trainings != 0 || none.Median != nil || none.Recent == nil {
			t.Errorf("of nothing: %+v", none)
		}
		for i, c := range []struct {
			seconds float64
			code    contract.Code
		}{{10, ""}, {30, ""}, {1, contract.CodeTrainingFailed}, {2, contract.CodeCUDAOOM}, {2, contract.CodeCUDAOOM}, {5, contract.CodeStopped}} {
			j := &teller{job: fmt.Sprint("job-", i), sequence: 10 * i}
			take(t, trainings, j.started("1.0.0", image), j.finished(c.seconds), j.done(c.code))
		}
		running := &teller{source: "u", job: "job-0", sequence: 500} // another source's job of the same id
		take(t, trainings, running.started("1.0.0", bundle))
		got := of(t, trainings)
		if got.Trainings != 7 || got.Succeeded != 2 || got.Failed != 3 || got.Stopped != 1 || got.Running != 1 || got.Median == nil || *got.Median != 20 {
			t.Errorf("%+v", got)
		}
		if want := []usage.Cause{{Of: "settings", Code: "CUDA_OOM", Count: 2}, {Of: "trainer", Code: "TRAINING_FAILED", Count: 1}}; !reflect.DeepEqual(got.Causes, want) {
			t.Errorf("causes %+v", got.Causes)
		}
		last := got.Recent[len(got.Recent)-1]
		if last.Value == nil || *last.Value != 0.5 || last.Metric != "mAP50-95" || last.Status != usage.Succeeded || last.Device != "cpu" || last.Seconds != 10 {
			t.Errorf("%+v", last)
		}
		if got.Recent[0].Status != usage.Running || got.Recent[0].Value != nil {
			t.Errorf("newest first: %+v", got.Recent[0])
		}
	})
}

// What is sent again changes nothing; a job that runs again begins again.
func TestAMessageCountsOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		trainings := open(t, db)
		j := &teller{job: "7"}
		begin, end := j.started("1.0.0", image), j.done("")
		take(t, trainings, begin, end, end, begin)
		if got := of(t, trainings); got.Trainings != 1 || got.Succeeded != 1 {
			t.Errorf("sent again: %+v", got)
		}
		take(t, trainings, j.started("1.0.0", image))
		if got := of(t, trainings); got.Trainings != 1 || got.Running != 1 || got.Recent[0].Value != nil {
			t.Errorf("run again: %+v", got)
		}
	})
}

func TestWhatIsNoTrainingOfAPublishedVersionCountsNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		trainings := open(t, db)
		j := &teller{job: "7"}
		for want, m := range map[string]usage.Message{
			"not published":     j.started("2.0.0", image),
			"neither the image": j.started("1.0.0", "sha256:other"),
			"TRAINER_DIGEST":    j.started("1.0.0", ""),
			"names none":        j.event(contract.EventAgentStarted, `{"job_type": "training"}`),
			"counts nothing":    j.event(contract.EventTrainingStarted, `{}`),
			"neither an event":  j.message(contract.KindHeartbeat, contract.Heartbeat{}),
			"is no training":    j.event(contract.EventAgentStarted, `{"job_type": "inference", "trainer": {"name": "cell-counter", "version": "1.0.0", "digest": "`+image+`"}}`),
		} {
			err := trainings.Take(t.Context(), m)
			if why, is := errors.AsType[*usage.Uncounted](err); !is || !strings.Contains(why.Text, want) {
				t.Errorf("%s: %v", want, err)
			}
		}
		for _, body := range []string{`{}`, `{"event_type": "agent_started"}`, `[]`, ``} {
			err := trainings.Take(t.Context(), usage.Message{Job: "7", Key: "7:1", Kind: contract.KindEvent, Body: json.RawMessage(body)})
			if _, is := errors.AsType[*usage.Wrong](err); !is {
				t.Errorf("%q: %v", body, err)
			}
		}
		for _, m := range []usage.Message{
			j.event(contract.EventAgentStarted, `{"job_type": "training", "task_type": "a\u0000b", "trainer": {"name": "cell-counter", "version": "1.0.0", "digest": "`+image+`"}}`),
			j.finished(-1), j.finished(1e300), {Job: "7", Kind: contract.KindDone, Body: j.done("").Body},
		} {
			if _, is := errors.AsType[*usage.Wrong](trainings.Take(t.Context(), m)); !is {
				t.Errorf("%s with the key %q is no mistake", m.Body, m.Key)
			}
		}
	})
}

// The end of a job that began uncounted is not counted, and is once its beginning is told.
func TestAnEndWithoutABeginningIsSaidToCountNothing(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		trainings := open(t, db)
		j := &teller{job: "7"}
		finished, done := j.finished(3), j.done("")
		for _, m := range []usage.Message{finished, done} {
			if why, is := errors.AsType[*usage.Uncounted](trainings.Take(t.Context(), m)); !is || !strings.Contains(why.Text, "agent_started of this job was not counted") {
				t.Errorf("%s: %v", m.Kind, why)
			}
		}
		if got := of(t, trainings); got.Trainings != 0 {
			t.Errorf("%+v", got)
		}
		take(t, trainings, j.started("1.0.0", image), finished, done)
		if got := of(t, trainings); got.Succeeded != 1 || *got.Median != 3 {
			t.Errorf("%+v", got)
		}
	})
}

// A job that uses the keys of another takes nothing from it.
func TestKeysAreTheJobsOwn(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		trainings := open(t, db)
		victim, other := &teller{job: "7"}, &teller{job: "8"}
		begin, end := victim.started("1.0.0", image), victim.done("")
		for _, key := range []string{begin.Key, end.Key} {
			m := other.started("1.0.0", image)
			m.Key = key
			take(t, trainings, m)
		}
		take(t, trainings, begin, end)
		if got := of(t, trainings); got.Trainings != 2 || got.Succeeded != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// Every failure has somebody whose turn it is.
func TestEveryCodeHasWhoseTurnItIs(t *testing.T) {
	db := storetest.Open(t, t.TempDir()+"/hub.db")
	trainings := open(t, db)
	for i, code := range contract.Codes() {
		j := &teller{job: string(code), sequence: 10 * i}
		take(t, trainings, j.started("1.0.0", image), j.done(code))
	}
	got := of(t, trainings)
	of := map[string]int{}
	for _, cause := range got.Causes {
		of[cause.Of]++
	}
	if got.Stopped != 1 || len(got.Causes) != len(contract.Codes())-1 || of["trainer"] == 0 || of["settings"] == 0 || of["data"] != 3 || of["infrastructure"] == 0 {
		t.Errorf("%+v", got)
	}
}

// Whatever a job tells, it is counted, counts nothing or is a mistake of the job's; the numbers can be read afterwards.
func FuzzTake(f *testing.F) {
	trainings, j := open(f, storetest.Open(f, filepath.Join(f.TempDir(), "hub.db"))), &teller{job: "7"}
	for _, m := range []usage.Message{j.started("1.0.0", image), j.finished(3), j.done(""), j.done(contract.CodeStopped), j.event(contract.EventTrainingFinished, `{"seconds": 1e400}`)} {
		f.Add(string(m.Kind), []byte(m.Body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		j.sequence++
		err := trainings.Take(t.Context(), usage.Message{Job: j.job, Key: strconv.Itoa(j.sequence), Kind: contract.Kind(kind), Body: body})
		_, uncounted := errors.AsType[*usage.Uncounted](err)
		if _, wrong := errors.AsType[*usage.Wrong](err); err != nil && !uncounted && !wrong {
			t.Fatal(err)
		}
		if _, err := trainings.Of(t.Context(), "cell-counter"); err != nil {
			t.Fatal(err)
		}
	})
}
