package trackers

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
)

// scripted is a tracker that answers with errors first.
type scripted struct {
	beginnings, logs []error
	points           []point
	status           status
	refusesTheEnd    error
}

func next(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

func (s *scripted) begin(context.Context) error { return next(&s.beginnings) }

func (s *scripted) log(_ context.Context, points []point) error {
	err := next(&s.logs)
	if err == nil {
		s.points = append(s.points, points...)
	}
	return err
}

func (s *scripted) end(_ context.Context, ended status) error {
	s.status = ended
	return s.refusesTheEnd
}

// stuck hangs as a disk does: no context ends it.
type stuck struct {
	scripted
	release chan struct{}
}

func (s *stuck) log(context.Context, []point) error {
	<-s.release
	return nil
}

var errAway = errors.New("connection refused")

// play runs a tracking whose tracker is scripted: epochs one minute apart, then the end.
func play(t *testing.T, to *scripted, epochs int) (log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tracking := &Tracking{Log: slog.New(slog.NewTextHandler(&out, nil))}
		tracking.add("MLflow", to)
		for epoch := 1; epoch <= epochs; epoch++ {
			metrics := contract.Metrics{"loss": contract.Number(1 / float64(epoch))}
			for _, payload := range []any{ // the second says nothing new but the primary metric
				contract.Heartbeat{Epoch: epoch, Metrics: metrics},
				contract.Validation{Epoch: epoch, Metrics: metrics, PrimaryMetricName: "accuracy", PrimaryMetricValue: 0.5},
			} {
				tracking.Observe(contract.Message{Payload: payload, Time: time.Now()})
			}
			time.Sleep(time.Minute)
		}
		began := time.Now()
		tracking.End(contract.Result{Status: contract.StatusSucceeded})()
		if spent := time.Since(began); spent > 10*time.Second {
			t.Errorf("the end took %s", spent)
		}
		if err := tracking.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		log = out.String()
	})
	return log
}

func TestEveryEpochReachesTheTrackerOnce(t *testing.T) {
	to := &scripted{}
	if log := play(t, to, 3); log != "" {
		t.Error(log)
	}
	if len(to.points) != 6 || to.points[0].epoch != 1 || to.points[5].epoch != 3 || to.status != finished {
		t.Errorf("%+v, %s", to.points, to.status)
	}
}

func TestATrackerThatIsAwayGetsEverythingLater(t *testing.T) {
	to := &scripted{beginnings: []error{errAway, errAway}, logs: []error{errAway}}
	log := play(t, to, 5)
	if len(to.points) != 10 || to.status != finished {
		t.Errorf("%+v, %s", to.points, to.status)
	}
	if n := strings.Count(log, "does not answer"); n != 1 {
		t.Errorf("%d lines: %s", n, log)
	}
}

// A trainer that reports a hundred times a second does not have it asked as often.
func TestATrackerThatIsAwayIsAskedAtGrowingIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1000
		to := &scripted{beginnings: make([]error, most)}
		for i := range to.beginnings {
			to.beginnings[i] = errAway
		}
		tracking := &Tracking{Log: slog.New(slog.DiscardHandler)}
		tracking.add("MLflow", to)
		for epoch := range 1000 {
			tracking.Observe(contract.Message{Payload: contract.Heartbeat{Epoch: epoch, Metrics: contract.Metrics{"loss": 1}}, Time: time.Now()})
			time.Sleep(10 * time.Millisecond)
		}
		if err := tracking.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if asked := most - len(to.beginnings); asked < 3 || asked > 5 { // at once, after 1, 3 and 7 s
			t.Errorf("it was asked %d times in ten seconds", asked)
		}
	})
}

func TestATrackerThatNeverAnswersCostsTwoLines(t *testing.T) {
	to := &scripted{beginnings: make([]error, 1000)}
	for i := range to.beginnings {
		to.beginnings[i] = errAway
	}
	log := play(t, to, 5)
	if strings.Count(log, "\n") != 2 || !strings.Contains(log, "values=10") {
		t.Error(log)
	}
}

func TestARefusalEndsTheTrying(t *testing.T) {
	log := play(t, &scripted{beginnings: []error{refusal{errors.New("401")}}}, 5)
	if strings.Count(log, "refuses the run") != 1 {
		t.Error(log)
	}
	to := &scripted{logs: []error{refusal{errors.New("400")}}}
	log = play(t, to, 2)
	if len(to.points) != 2 || !strings.Contains(log, "values=2") {
		t.Errorf("%+v\n%s", to.points, log)
	}
}

func TestRefusedMetricsCostTwoLines(t *testing.T) {
	to := &scripted{logs: []error{refusal{errors.New("400")}, refusal{errors.New("400")}, refusal{errors.New("400")}}}
	log := play(t, to, 5)
	if len(to.logs) > 0 || strings.Count(log, "refuses metrics") != 1 || strings.Count(log, "\n") != 2 {
		t.Errorf("%d refusals are left\n%s", len(to.logs), log)
	}
}

func TestARefusedEndIsSaid(t *testing.T) {
	log := play(t, &scripted{refusesTheEnd: refusal{errors.New("404")}}, 1)
	if strings.Count(log, "did not take the end") != 1 {
		t.Error(log)
	}
}

func TestATrackerThatHangsDoesNotHoldTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuck{release: make(chan struct{})}
		tracking := &Tracking{Log: slog.New(slog.DiscardHandler)}
		tracking.add("TensorBoard", to)
		tracking.Observe(contract.Message{Payload: contract.Heartbeat{Epoch: 1, Metrics: contract.Metrics{"loss": 1}}, Time: time.Now()})
		began := time.Now()
		tracking.End(contract.Result{Status: contract.StatusSucceeded})()
		if spent := time.Since(began); spent > stage.MinTail+stage.Overtime {
			t.Errorf("the end took %s", spent)
		}
		close(to.release)
		if err := tracking.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Who makes the folders of a workspace decides who may enter them.
func TestTheEventFileWaitsForTheWorkspace(t *testing.T) {
	root := filepath.Join(t.TempDir(), "workspace")
	b := &board{path: filepath.Join(root, "tensorboard", "events")}
	if err := b.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a workspace before anybody made it: %v", err)
	}
	if err := errors.Join(b.log(t.Context(), []point{{name: "loss", value: 1, epoch: 1, at: time.Now()}}), b.end(t.Context(), finished)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(b.path); err != nil || info.Size() == 0 {
		t.Errorf("%+v %v", info, err)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	var out bytes.Buffer
	f := newFeed("MLflow", &scripted{}, slog.New(slog.NewTextHandler(&out, nil)))
	for epoch := range maxWaiting + 7 {
		f.add([]point{{name: "loss", epoch: epoch}})
	}
	if len(f.waiting) != maxWaiting || f.lost != 7 || f.waiting[0].epoch != 7 {
		t.Errorf("%d wait, %d are lost", len(f.waiting), f.lost)
	}
}
