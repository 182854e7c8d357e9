package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/contract"
)

// In these tests time is synctest's: hours pass at once. inotify would hold the
// clock, so they look by scan, as rarely as in production.
func scanOnly(o *Options) { o.ScanOnly, o.ScanInterval, o.Settle = true, 0, 0 }

var errOutage = contract.Failf(contract.CodeStorageError, "writing s3://test: connection refused")

func failing(outage *atomic.Bool, err error) func(op, key string) error {
	return func(op, _ string) error {
		if outage.Load() {
			return err
		}
		return nil
	}
}

func TestAnOutageIsSeenOnceAndMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		var outage atomic.Bool
		b.fail = failing(&outage, errOutage)
		r := newRig(t, b, scanOnly)
		r.run()
		synctest.Wait() // the manifest is read
		outage.Store(true)
		r.ultralyticsEpoch(0, true)
		time.Sleep(2 * time.Hour)
		if n := len(r.failed); n != 3 {
			t.Errorf("%d events of failed uploads for 3 files in two hours", n)
		}
		if s := r.Stats(); s.Waiting != 3 || s.Failures < 3*60 || s.Bytes != 0 || !s.Last.IsZero() {
			t.Errorf("in the outage: %+v", s)
		}
		outage.Store(false)
		time.Sleep(2 * backoffMax)
		r.wantNames("best.pt", "epoch-1.pt", "last.pt")
		if s := r.Stats(); s.Waiting != 0 || s.Bytes == 0 || s.Last.IsZero() {
			t.Errorf("after the outage: %+v", s)
		}
		if s := r.finish(FinishOptions{Clean: true}); len(s.Failed) > 0 || s.Failure() != nil {
			t.Errorf("after the outage: %+v", s)
		}
	})
}

// Who kills the agent between a checkpoint and its manifest must not have been told of a
// checkpoint that the next run does not find.
func TestACheckpointIsAnnouncedOnceTheManifestNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		var away atomic.Bool
		away.Store(true)
		b.fail = func(op, key string) error {
			if op == "put" && key == contract.ManifestKey(jobID) && away.Load() {
				return errOutage
			}
			return nil
		}
		r := newRig(t, b, func(o *Options) {
			scanOnly(o)
			tell := o.OnEvent
			o.OnEvent = func(kind contract.EventType, text string, data any) {
				if saved, ok := data.(contract.CheckpointSaved); ok && !strings.Contains(fmt.Sprint(b.manifest(t).Files), saved.SHA256) {
					t.Errorf("%s was announced before the manifest named it", saved.CheckpointPath)
				}
				tell(kind, text, data)
			}
		})
		r.run()
		r.ultralyticsEpoch(0, true)
		time.Sleep(time.Hour)
		r.wantNames("best.pt", "epoch-1.pt", "last.pt")
		if n := len(r.saved); n != 0 {
			t.Errorf("%d checkpoints were announced that no later run would find", n)
		}
		away.Store(false)
		r.awaitSaved("best.pt", "epoch-1.pt", "last.pt")
		r.finish(FinishOptions{Clean: true})
		if n := len(r.saved); n != 0 {
			t.Errorf("%d checkpoints were announced twice", n)
		}
	})
}

func TestAStoreThatStaysAwayCostsTheFlushBudgetAndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		var outage atomic.Bool
		b.fail = failing(&outage, errOutage)
		r := newRig(t, b, func(o *Options) { scanOnly(o); o.FlushTimeout = 5 * time.Minute })
		r.run()
		synctest.Wait()
		outage.Store(true)
		r.ultralyticsEpoch(0, true)
		time.Sleep(time.Minute)
		began := time.Now()
		s := r.finish(FinishOptions{Clean: true})
		if took := time.Since(began); took > 5*time.Minute || took < 4*time.Minute {
			t.Errorf("Finish took %v of 5 minutes", took)
		}
		var names []string
		for _, f := range s.Failed {
			names = append(names, f.Name)
			if !strings.Contains(f.Reason, "connection refused") {
				t.Errorf("%s failed because %q", f.Name, f.Reason)
			}
		}
		if got := strings.Join(names, " "); got != "best.pt epoch-1.pt last.pt" {
			t.Errorf("failed: %q", got)
		}
		f := s.Failure()
		if f == nil || f.Code != contract.CodeStorageError || !f.Retryable || !strings.Contains(f.Message, "best.pt") || f.Hint == "" {
			t.Errorf("failure %+v", f)
		}
	})
}

func TestAStoreThatWasNeverThereIsReportedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		b.fail = func(string, string) error { return errOutage }
		r := newRig(t, b, scanOnly)
		r.run()
		r.ultralyticsEpoch(0, true)
		time.Sleep(time.Hour)
		if e := <-r.failed; e.Name != "manifest.json" || len(r.failed) > 0 {
			t.Errorf("%+v and %d more", e, len(r.failed))
		}
		if s := r.finish(FinishOptions{Clean: true}); s.Failure() == nil || len(s.Failed) != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAForbiddenBucketDoesNotHoldTheGPUForTheWholeBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		b.fail = func(op, _ string) error {
			if op == "put" {
				return contract.Failf(contract.CodeStorageForbidden, "writing s3://test: access denied")
			}
			return nil
		}
		r := newRig(t, b, scanOnly)
		r.ultralyticsEpoch(0, true)
		began := time.Now()
		s := r.finish(FinishOptions{Clean: true})
		if took := time.Since(began); took > time.Minute {
			t.Errorf("Finish took %v", took)
		}
		if f := s.Failure(); f == nil || f.Code != contract.CodeStorageForbidden || f.Retryable {
			t.Errorf("failure %+v", f)
		}
	})
}

func TestCredentialsThatMayOnlyWriteAreEnough(t *testing.T) {
	b := newBucket()
	b.fail = func(op, _ string) error {
		if op == "get" || op == "stat" {
			return contract.Failf(contract.CodeStorageForbidden, "reading: access denied")
		}
		return nil
	}
	r := newRig(t, b, nil)
	r.ultralyticsEpoch(0, true)
	if s := r.finish(FinishOptions{Clean: true}); s.Failure() != nil || len(s.Failed) > 0 {
		t.Errorf("%+v", s)
	}
	r.wantNames("best.pt", "epoch-1.pt", "last.pt")
}

func TestAStoreThatHangsDoesNotOutliveTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		hang := make(chan struct{})
		b.onRead = func(key string, _ int64) {
			if strings.HasSuffix(key, "/best.pt") {
				<-hang
			}
		}
		r := newRig(t, b, func(o *Options) { scanOnly(o); o.FlushTimeout = time.Minute })
		body := samples.Torch(t, 1000, 1, nil)
		samples.Rewrite(t, r.path("best.pt"), body)
		samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 2000, 2, nil))
		go func() {
			time.Sleep(58 * time.Second) // a body read that ignores its context cannot be helped
			close(hang)
		}()
		s := r.finish(FinishOptions{Clean: true})
		if len(s.Failed) != 1 || s.Failed[0].Name != "best.pt" || s.Failure() == nil || s.Last == "" {
			t.Errorf("%+v", s)
		}
		if m := b.manifest(t); len(m.Files) != 1 || m.Files[0].Name != "last.pt" || len(m.Failed) != 1 {
			t.Errorf("the manifest was not written in the time kept for it: %+v", m)
		}
	})
}

func TestAManifestThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		var tries atomic.Int64
		b.fail = func(op, key string) error {
			if op == "put" && key == contract.ManifestKey(jobID) && tries.Add(1) <= 4 {
				return errOutage
			}
			return nil
		}
		r := newRig(t, b, scanOnly)
		samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 1000, 1, nil))
		r.finish(FinishOptions{Clean: true})
		if m := b.manifest(t); len(m.Files) != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestANewerVersionTakesThePlaceOfOneStillQueued(t *testing.T) {
	b := newBucket()
	var outage atomic.Bool
	b.fail = func(op, key string) error {
		if op == "put" && outage.Load() {
			return errOutage
		}
		return nil
	}
	r := newRig(t, b, func(o *Options) { o.Frequency = 0 })
	r.run()
	r.awaitLooks(1)
	outage.Store(true)
	var last []byte
	for epoch := range 4 {
		last = r.ultralyticsEpoch(epoch, false)
		r.awaitLooks(4)
	}
	outage.Store(false)
	r.finish(FinishOptions{Clean: true})
	if n := b.count("put"); n != 1 {
		t.Errorf("%d uploads of last.pt, want only the newest", n)
	}
	if got, _ := b.get(contract.CheckpointKey(jobID, "last.pt")); samples.SHA(got) != samples.SHA(last) {
		t.Error("the bucket does not hold the newest")
	}
}

func TestAtMostNUploadsAreInFlight(t *testing.T) {
	b := newBucket()
	var inFlight, most atomic.Int64
	b.onRead = func(key string, at int64) {
		if at > 0 || !strings.HasSuffix(key, ".pt") {
			return
		}
		if n := inFlight.Add(1); n > most.Load() {
			most.Store(n)
		}
	}
	b.visible = func(key string, _ []byte) {
		if strings.HasSuffix(key, ".pt") {
			inFlight.Add(-1)
		}
	}
	r := newRig(t, b, func(o *Options) { o.Concurrency = 3 })
	for i := range 12 {
		samples.Rewrite(t, r.path("m"+string(rune('a'+i))+".pt"), samples.Torch(t, 1000*(i+1), byte(i), nil))
	}
	r.finish(FinishOptions{Clean: true})
	if n := most.Load(); n > 3 || len(b.names()) != 12 {
		t.Errorf("%d uploads at once, want at most 3; %d are up", n, len(b.names()))
	}
}

func TestRunEndsWithItsContextAndFinishGoesOn(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	r.awaitLooks(1)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 1000, 1, nil))
	first := r.Finish(t.Context(), FinishOptions{Clean: true})
	if first.Last == "" {
		t.Errorf("%+v", first)
	}
	if second := r.Finish(t.Context(), FinishOptions{}); second.Last != first.Last {
		t.Errorf("the second Finish says %+v", second)
	}
	if err := r.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAQueueOverflowOfInotifyIsALook(t *testing.T) {
	if !scan.Lost(errors.Join(errQueue())) || scan.Lost(errors.New("other")) {
		t.Error("the overflow is not recognised")
	}
}

func TestAStoreThatRefusesIsTheReasonAlsoWhereTheFileWasWrittenMeanwhile(t *testing.T) {
	down := contract.Failf(contract.CodeStorageError, "the store does not answer.")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"both":      {errors.Join(fmt.Errorf("%w: its 5 bytes were written again", upload.ErrChanged), fmt.Errorf("uploading: %w", down)), down.Error()},
		"the file":  {fmt.Errorf("%w: it is gone", upload.ErrChanged), upload.ErrChanged.Error() + ": it is gone"},
		"the store": {fmt.Errorf("uploading: %w", down), "uploading: " + down.Error()},
	} {
		if got := reason(c.err).Error(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAnUploadThatPanicsIsABugOfOursAndNotTheEndOfTheAgent(t *testing.T) {
	for _, op := range []string{"get", "put"} { // the manifest is read first
		synctest.Test(t, func(t *testing.T) {
			b := newBucket()
			b.fail = func(asked, _ string) error {
				if asked == op {
					panic("index out of range")
				}
				return nil
			}
			r := newRig(t, b, scanOnly)
			r.run()
			r.ultralyticsEpoch(0, true)
			time.Sleep(time.Hour)
			if f := r.finish(FinishOptions{Clean: true}).Failure(); f == nil || f.Code != contract.CodeInternal || !strings.Contains(f.Message, "index out of range") {
				t.Errorf("%s: %+v", op, f)
			}
		})
	}
}
