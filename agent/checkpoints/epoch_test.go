package checkpoints

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/contract"
)

// writes saves a file whose last byte is of now, in the test's time.
func (r *rig) writes(name string, seed byte) {
	r.t.Helper()
	samples.Rewrite(r.t, r.path(name), samples.Torch(r.t, 1000, seed, nil))
	if err := os.Chtimes(r.path(name), time.Now(), time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) validation(epoch int, value float64) {
	r.t.Helper()
	metrics := contract.Metrics{"mAP50-95": contract.Number(value)}
	m, err := contract.NewMessage(contract.KindValidation, contract.Validation{Epoch: epoch, PrimaryMetricName: "mAP50-95", PrimaryMetricValue: contract.Number(value), Metrics: metrics}, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	r.hear(m)
}

func (r *rig) epochsInManifest() map[string]int {
	r.t.Helper()
	epochs := map[string]int{}
	for _, f := range r.bucket.manifest(r.t).Files {
		epochs[f.Name] = f.Epoch
	}
	return epochs
}

// A fast trainer, as the starter template: ten epochs in 0.7 s, of which the second is
// the best. By the time of the look ten epochs were heard of.
func TestTheEpochOfABestFileIsTheOneInWhichItWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newBucket(), scanOnly)
		r.run()
		synctest.Wait()
		for epoch := 1; epoch <= 10; epoch++ {
			time.Sleep(20 * time.Millisecond) // trains
			r.heartbeat(epoch, contract.Metrics{"loss": contract.Number(1 / float64(epoch))})
			time.Sleep(40 * time.Millisecond) // validates
			r.validation(epoch, map[bool]float64{true: .9, false: .1}[epoch == 2])
			time.Sleep(5 * time.Millisecond)
			if epoch <= 2 {
				r.writes("best.ckpt", byte(epoch))
			}
			r.writes("last.ckpt", byte(100+epoch))
			time.Sleep(5 * time.Millisecond)
		}
		s := r.finish(FinishOptions{Clean: true})
		if got := r.epochsInManifest(); got["best.ckpt"] != 2 || got["last.ckpt"] != 10 || s.BestEpoch != 2 {
			t.Errorf("epochs %v, best %d; want best.ckpt of 2, last.ckpt of 10", got, s.BestEpoch)
		}
		e := <-r.saved
		if e.CheckpointPath != s.Best { // the two go up at once
			e = <-r.saved
		}
		if e.CheckpointPath != s.Best || e.Epoch != 2 || e.Metrics["mAP50-95"] != .9 || !e.IsBest {
			t.Errorf("announced %+v", e)
		}
	})
}

// Some trainers report first and save then, others the other way around; the file may
// be up before the report comes.
func TestSaveAndReportInEitherOrder(t *testing.T) {
	for name, saveFirst := range map[string]bool{"reports first": false, "saves first": true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newBucket(), scanOnly)
			r.run()
			synctest.Wait()
			for epoch := 1; epoch <= 4; epoch++ {
				time.Sleep(10 * time.Minute)
				if !saveFirst {
					r.heartbeat(epoch, contract.Metrics{"mAP50-95": .1})
				}
				time.Sleep(time.Second)
				r.writes("last.pt", byte(epoch))
				time.Sleep(time.Minute) // it goes up meanwhile
				if saveFirst {
					r.heartbeat(epoch, contract.Metrics{"mAP50-95": .1})
					time.Sleep(time.Minute)
				}
				if got := r.epochsInManifest()["last.pt"]; got != epoch {
					t.Errorf("%s: the file of epoch %d is in the manifest with epoch %d", name, epoch, got)
				}
			}
			r.finish(FinishOptions{Clean: true})
		})
	}
}

func TestAnEpochIsDecidedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newBucket(), scanOnly)
		r.run()
		synctest.Wait()
		time.Sleep(time.Minute)
		r.heartbeat(1, contract.Metrics{"mAP50-95": .5})
		r.writes("best.pt", 1)
		time.Sleep(30 * time.Second)
		r.heartbeat(2, contract.Metrics{"mAP50-95": .6})
		time.Sleep(time.Minute)
		s := r.finish(FinishOptions{Clean: true})
		if got := r.epochsInManifest()["best.pt"]; got != 1 || len(r.saved) != 1 || (<-r.saved).Epoch != 1 {
			t.Errorf("epoch %d, %+v", got, s)
		}
	})
}

// A job that goes on after epoch 3 saves before its first report.
func TestTheFirstFileOfAResumedJobIsNotOfTheEarlierRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newBucket(), scanOnly)
		r.history.Resume(3, []contract.EpochMetrics{{Epoch: 3, Time: contract.At(time.Now().Add(-time.Hour))}})
		r.run()
		time.Sleep(time.Minute)
		r.writes("last.pt", 4)
		time.Sleep(time.Minute)
		if e := <-r.saved; e.Epoch != 0 {
			t.Errorf("announced with epoch %d before anything was reported", e.Epoch)
		}
		r.heartbeat(4, contract.Metrics{"mAP50-95": .5})
		time.Sleep(time.Minute)
		r.finish(FinishOptions{})
		if got := r.bucket.manifest(t).Files[0]; got.Epoch != 4 || got.Metrics["mAP50-95"] != .5 {
			t.Errorf("%+v", got)
		}
	})
}
