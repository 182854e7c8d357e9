package relay

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// A warnings handler keeps the messages of warnings.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w *warnings) WithGroup(string) slog.Handler                { return w }
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, r.Message)
	return nil
}

func (w *warnings) about(what string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		if strings.Contains(l, what) {
			n++
		}
	}
	return n
}

func validation(epoch int, name, value string) string {
	return fmt.Sprintf(`{"epoch":%d,"primary_metric_name":%q,"primary_metric_value":%s,"metrics":{"mAP50-95":%s,"loss":%s}}`, epoch, name, value, value, value)
}

func TestWithoutTheBackendIsBestComesFromTheHistory(t *testing.T) {
	for _, c := range []struct {
		mode contract.MetricMode
		best []contract.EpochMetrics
		want string
	}{
		{contract.MetricMax, nil, "0.3 true, 0.5 true, 0.5 false, NaN false, 0.4 false, 0.6 true"},
		{"", nil, "0.3 true, 0.5 true, 0.5 false, NaN false, 0.4 false, 0.6 true"},
		{contract.MetricMin, nil, "0.3 true, 0.5 false, 0.5 false, NaN false, 0.4 false, 0.6 false"},
		{contract.MetricMax, []contract.EpochMetrics{{Epoch: 9, Metrics: contract.Metrics{"mAP50-95": 0.55}}}, "0.3 false, 0.5 false, 0.5 false, NaN false, 0.4 false, 0.6 true"},
	} {
		r := start(t, &queue{}, tracked(c.mode, c.best...))
		var got []string
		for i, v := range []string{"0.3", "0.5", "0.5", "NaN", "0.4", "0.6"} {
			a := r.send(t, contract.KindValidation, validation(i+1, "mAP50-95", v))
			got = append(got, fmt.Sprint(v, " ", a.body["is_best"]))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("mode %q, best %v: %s\nwant %s", c.mode, c.best, s, c.want)
		}
	}
}

func TestTheSameValidationAgainIsStillBest(t *testing.T) {
	r := start(t, &queue{}, nil)
	for range 2 {
		if a := r.send(t, contract.KindValidation, validation(3, "mAP50-95", "0.5")); a.body["is_best"] != true {
			t.Errorf("answered %v", a.body)
		}
	}
}

func TestTheJobsPrimaryMetricDecidesNotTheChilds(t *testing.T) {
	w := &warnings{}
	r := start(t, &queue{}, func(o *Options) { o.Logger = slog.New(w) })
	send := func(epoch int, body string) any {
		return r.send(t, contract.KindValidation, fmt.Sprintf(`{"epoch":%d,%s}`, epoch, body)).body["is_best"]
	}
	for i, c := range []struct {
		body string
		want bool
	}{
		{`"primary_metric_name":"loss","primary_metric_value":9,"metrics":{"mAP50-95":0.2}`, true},
		{`"primary_metric_name":"loss","primary_metric_value":8,"metrics":{"mAP50-95":0.1}`, false},
		{`"metrics":{"mAP50-95":0.3}`, true}, // neither name nor value: from the metrics
		{`"primary_metric_name":"loss","primary_metric_value":0.4,"metrics":{}`, true},
		{`"metrics":{}`, false},
	} {
		if got := send(i+1, c.body); got != c.want {
			t.Errorf("%s: is_best %v, want %v", c.body, got, c.want)
		}
	}
	if n := w.about("do not carry the job's primary metric"); n != 1 {
		t.Errorf("%d warnings about the metric's name, want 1", n)
	}
	if n := w.about("the epoch with the largest loss counts as the best"); n != 1 {
		t.Errorf("%d warnings about a loss that is to grow, want 1", n)
	}
}

func TestTheBackendsIsBestIsPassedOnAndADifferenceIsLogged(t *testing.T) {
	for _, c := range []struct {
		answer    string
		delivered bool
		want      bool
		logged    int
	}{
		{`{"status":"ok","is_best":true}`, true, true, 0},
		{`{"status":"ok","is_best":false}`, true, false, 1},
		{`{"status":"ok"}`, true, true, 0},
		{`<html>`, true, true, 0},
		{``, true, true, 0},
		{`{"is_best":false}`, false, true, 0},
	} {
		w := &warnings{}
		q := &queue{}
		r := start(t, q, func(o *Options) { o.Logger = slog.New(w) })
		q.answer = func(m contract.Message) ([]byte, bool) {
			if c.delivered {
				r.Delivered(m, []byte(c.answer)) // as the outbox does
			}
			return []byte(c.answer), c.delivered
		}
		a := r.send(t, contract.KindValidation, validation(1, "mAP50-95", "0.5"))
		if a.body["is_best"] != c.want || a.body["status"] != "ok" || w.about("disagree") != c.logged {
			t.Errorf("%s: answered %v, logged %d", c.answer, a.body, w.about("disagree"))
		}
	}
}

func TestALateDifferenceIsLogged(t *testing.T) {
	w := &warnings{}
	q := &queue{}
	r := start(t, q, func(o *Options) { o.Logger = slog.New(w) })
	r.send(t, contract.KindValidation, validation(1, "mAP50-95", "0.5"))
	r.send(t, contract.KindHeartbeat, `{"epoch":1}`)
	late := q.messages()
	r.Delivered(late[0], []byte(`{"is_best":true}`))
	r.Delivered(late[1], []byte(`{"is_best":false}`)) // a heartbeat
	if n := w.about("disagree"); n != 0 {
		t.Errorf("logged %d times although both agree", n)
	}
	r.Delivered(late[0], []byte(`{"is_best":false}`))
	if n := w.about("disagree"); n != 1 {
		t.Errorf("logged %d times, want 1", n)
	}
}
