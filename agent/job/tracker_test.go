package job

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/contract"
)

// testTime is a time that a test sets.
type testTime struct{ time.Time }

func (c *testTime) now() time.Time { return c.Time }

func (c *testTime) at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func newTracker(metric string, mode contract.MetricMode) (*Tracker, *testTime) {
	c := &testTime{}
	c.Time = c.at(0)
	return NewTracker(TrackerOptions{Now: c.now, Metric: metric, Mode: mode}), c
}

func message(t *testing.T, kind contract.Kind, body string) contract.Message {
	t.Helper()
	return contract.Message{Kind: kind, Body: []byte(body)}
}

func (c *testTime) heartbeat(t *testing.T, tracker *Tracker, seconds float64, epoch int, metrics string) {
	t.Helper()
	c.Time = c.at(seconds)
	tracker.Observe(message(t, contract.KindHeartbeat, fmt.Sprintf(`{"epoch":%d,"progress":%d,"metrics":{%s},"timestamp":"2030-01-01T00:00:00Z"}`, epoch, epoch*10, metrics)))
}

func (c *testTime) validation(t *testing.T, tracker *Tracker, seconds float64, epoch int, name string, value float64) {
	t.Helper()
	c.Time = c.at(seconds)
	tracker.Observe(message(t, contract.KindValidation, fmt.Sprintf(`{"epoch":%d,"primary_metric_name":%q,"primary_metric_value":%g,"metrics":{"loss":1},"timestamp":"2030-01-01T00:00:00Z"}`, epoch, name, value)))
}

func TestAFileBelongsToTheEpochInWhoseIntervalItWasWritten(t *testing.T) {
	tracker, c := newTracker("acc", contract.MetricMax)
	if _, _, ok := tracker.EpochAt(c.at(0)); ok {
		t.Error("an epoch without any report")
	}
	c.heartbeat(t, tracker, 0, 0, "")           // the training begins
	c.heartbeat(t, tracker, 10, 1, "")          // epoch 1 is complete …
	c.validation(t, tracker, 14, 1, "acc", 0.5) // … and validated
	c.heartbeat(t, tracker, 24, 2, "")
	c.heartbeat(t, tracker, 24.07, 3, "") // a fast trainer
	c.heartbeat(t, tracker, 24.14, 4, "")
	for _, w := range []struct {
		name    string
		written float64
		epoch   int
	}{
		{"weights before the first epoch", 0.1, 0},
		{"saved, then reported", 9.8, 1},
		{"saved between heartbeat and validation", 12, 1},
		{"reported, then saved", 14.3, 1},
		{"saved just before the next report", 23.9, 2},
		{"a fast trainer: reported, then saved", 24.08, 3},
		{"a fast trainer: saved, then reported", 24.13, 4},
		{"at the very moment of the report", 24.07, 3},
		{"long after the last report", 500, 4},
	} {
		epoch, _, ok := tracker.EpochAt(c.at(w.written))
		if epoch != w.epoch || ok != (w.epoch > 0) {
			t.Errorf("%s: epoch %d, %v, want %d", w.name, epoch, ok, w.epoch)
		}
	}
	if _, metrics, _ := tracker.EpochAt(c.at(12)); metrics["acc"] != 0.5 || metrics["loss"] != 1 {
		t.Errorf("the metrics of epoch 1 are %v", metrics)
	}
}

// Of rows that were read from a result file at once, the newest is what the file on
// disk holds now.
func TestOfEpochsReportedAtOnceTheLastOneCounts(t *testing.T) {
	tracker, c := newTracker("acc", contract.MetricMax)
	for epoch := range 4 {
		c.heartbeat(t, tracker, 10, epoch, "")
	}
	if epoch, _, _ := tracker.EpochAt(c.at(9)); epoch != 3 {
		t.Errorf("epoch %d", epoch)
	}
}

func TestTheBestEpochIsTheEarliestOfEqualsUnderAnyFrameworksName(t *testing.T) {
	for name, w := range map[string]struct {
		metric string
		mode   contract.MetricMode
		said   []string
		want   int
	}{
		"highest":                         {"acc", contract.MetricMax, []string{`"acc":0.1`, `"acc":0.9`, `"acc":0.5`}, 2},
		"lowest":                          {"loss", contract.MetricMin, []string{`"loss":3`, `"loss":1`, `"loss":2`}, 2},
		"equal":                           {"acc", contract.MetricMax, []string{`"acc":0.5`, `"acc":0.5`}, 1},
		"null is no value":                {"acc", contract.MetricMax, []string{`"acc":null`, `"acc":0.5`}, 2},
		"as Ultralytics calls it":         {"mAP50-95", contract.MetricMax, []string{`"metrics/mAP50-95(B)":0.3`, `"metrics/mAP50-95(B)":0.2`}, 1},
		"another metric is not the job's": {"acc", contract.MetricMax, []string{`"recall":0.9`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tracker, c := newTracker(w.metric, w.mode)
			for i, metrics := range w.said {
				c.heartbeat(t, tracker, float64(i), i+1, metrics)
			}
			if best, ok := tracker.Best(); best.Epoch != w.want || ok != (w.want > 0) {
				t.Errorf("best is %+v, want epoch %d", best, w.want)
			}
		})
	}
}

func TestAnEpochThatIsReportedAgainIsRankedAgain(t *testing.T) {
	tracker, c := newTracker("acc", contract.MetricMax)
	c.heartbeat(t, tracker, 1, 1, `"acc":0.6`)
	c.heartbeat(t, tracker, 2, 2, `"acc":0.9`)
	c.validation(t, tracker, 3, 2, "acc", 0.2) // the whole set says otherwise than the batches
	if best, _ := tracker.Best(); best != (Value{1, 0.6}) {
		t.Errorf("best is %+v", best)
	}
	c.validation(t, tracker, 4, 3, "own", 0.7) // the trainer's name for it, where it has no value under the job's
	if best, _ := tracker.Best(); best != (Value{3, 0.7}) {
		t.Errorf("best is %+v", best)
	}
}

func TestTheViewIsWhatTheChildSaidLast(t *testing.T) {
	tracker, c := newTracker("acc", contract.MetricMax)
	tracker.Enter(PhaseDownload)
	tracker.Transfer(contract.Transfer{What: "dataset", BytesDone: 7})
	c.Time = c.at(5)
	if v := tracker.View(); v.Phase.Name != PhaseDownload || v.Phase.Seconds[PhaseDownload] != 5 || v.Transfer == nil || v.DatasetRead != 7 {
		t.Errorf("%+v", v)
	}
	tracker.Enter(PhaseRunning)
	c.heartbeat(t, tracker, 6, 2, `"acc":0.5`)
	c.heartbeat(t, tracker, 7, 1, `"box_loss":1`) // another rank is behind
	tracker.Observe(message(t, contract.KindDone, `{"status":"succeeded"}`))
	v := tracker.View()
	if v.Transfer != nil || v.DatasetRead != 7 || v.Epoch != 2 || v.Percent != 10 || !v.PercentAt.Equal(c.at(7)) || !v.Activity.Equal(c.at(7)) || v.Newest.Epoch != 2 {
		t.Errorf("%+v", v)
	}
	if f := tracker.Final(); f == nil || f.Kind != contract.KindDone {
		t.Errorf("the child's final callback is %+v", f)
	}
}

func TestAResumedHistoryGoesOn(t *testing.T) {
	tracker, c := newTracker("acc", contract.MetricMax)
	tracker.Resume(2, []contract.EpochMetrics{
		{Epoch: 1, Metrics: contract.Metrics{"acc": 0.9}, Time: contract.At(c.at(-20))},
		{Epoch: 2, Metrics: contract.Metrics{"acc": 0.5}, Time: contract.At(c.at(-10))},
	})
	c.heartbeat(t, tracker, 5, 3, `"acc":0.7`)
	if v := tracker.View(); v.Resumed != 2 || v.Epoch != 3 || v.Best.Epoch != 1 {
		t.Errorf("%+v", v)
	}
	if h := tracker.History(); len(h) != 3 || h[0].Epoch != 1 || h[2].Metrics["acc"] != 0.7 {
		t.Errorf("%+v", h)
	}
	if epoch, _, _ := tracker.EpochAt(c.at(-9)); epoch != 2 {
		t.Errorf("what the earlier run wrote belongs to epoch %d", epoch)
	}
}

// A validation is judged before it is observed, because the script waits for the answer.
func TestJudgingAValidationIsWhatObservingItWillFind(t *testing.T) {
	for _, mode := range []contract.MetricMode{contract.MetricMax, contract.MetricMin} {
		rapid.Check(t, func(r *rapid.T) {
			tracker := NewTracker(TrackerOptions{Now: time.Now, Metric: "mAP", Mode: mode})
			for range rapid.IntRange(1, 12).Draw(r, "validations") {
				v := contract.Validation{
					Epoch: rapid.IntRange(1, 4).Draw(r, "epoch"), PrimaryMetricName: "mAP",
					PrimaryMetricValue: contract.Number(rapid.SampledFrom([]float64{0.1, 0.2, 0.3, math.NaN()}).Draw(r, "value")),
				}
				judged := tracker.Judge(v)
				tracker.Observe(contract.Message{Kind: contract.KindValidation, Payload: v})
				best, _ := tracker.Best()
				if want := v.PrimaryMetricValue.Finite() && best.Epoch == v.Epoch; judged != want {
					r.Fatalf("%v of epoch %d: judged %v, and the best is %+v", v.PrimaryMetricValue, v.Epoch, judged, best)
				}
			}
		})
	}
}
