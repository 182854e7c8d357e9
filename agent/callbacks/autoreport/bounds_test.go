package autoreport

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func rows(n int) string {
	var b strings.Builder
	b.WriteString("epoch,train/box_loss\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,0.5\n", i+1)
	}
	return b.String()
}

func TestTwentyThousandRowsAreBoundedByTheJobsEpochsAndReportedInOneCall(t *testing.T) {
	for _, c := range []struct{ epochs, want int }{{10, 10}, {20_000, 20_000}, {0, 20_000}} {
		b := newBench(t, t.TempDir(), func(o *Options) { o.Epochs = c.epochs })
		b.write("results.csv", rows(20_000))
		began := time.Now()
		b.Finish(t.Context())
		b.Finish(t.Context())
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("EPOCHS=%d: the end took %v", c.epochs, took)
		}
		if len(b.sent) != c.want || b.batches != 1 {
			t.Errorf("EPOCHS=%d: %d epochs in %d calls, want %d in one", c.epochs, len(b.sent), b.batches, c.want)
		}
	}
}

func TestTheEndsTimeIsNotOutwaited(t *testing.T) {
	b := newBench(t, t.TempDir(), nil)
	b.write("results.csv", rows(4))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.Finish(ctx)
	if len(b.sent) != 0 {
		t.Errorf("reported %s after the time was over", b.epochs())
	}
}

func TestEpochsThatCouldNotBeReportedKeepTheirOrder(t *testing.T) {
	b := newBench(t, t.TempDir(), nil)
	b.write("results.csv", rows(3))
	b.fail = context.DeadlineExceeded
	b.Finish(t.Context())
	b.fail = nil
	b.write("results.csv", "4,0.5\n")
	b.Finish(t.Context())
	if got := b.epochs(); got != "1 2 3 4" {
		t.Errorf("reported %s", got)
	}
}

// A null says that there is no value; only NaN says that the loss is broken.
func TestANullInAStateFileIsAbsentAndNaNIsNaN(t *testing.T) {
	found, err := parseTrainerState([]byte(`{"log_history":[{"epoch":1.0,"loss":NaN,"eval_loss":null,"grad_norm":-Infinity}]}`))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	m := found[0].metrics
	if _, there := m["eval_loss"]; there || !math.IsNaN(float64(m["loss"])) || !math.IsNaN(float64(m["grad_norm"])) {
		t.Errorf("read %v", m)
	}
	if string(mustJSON(t, m)) != `{"grad_norm":null,"loss":null}` {
		t.Errorf("written %s", mustJSON(t, m))
	}
}

func mustJSON(t *testing.T, m contract.Metrics) []byte {
	t.Helper()
	msg, err := contract.NewMessage(contract.KindHeartbeat, m, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return msg.Body
}
