package job

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// pod is one life of a job in a workspace of its own, on a bucket that all share.
type pod struct {
	*Remembering
	said []contract.Event
}

func newPod(t *testing.T, bucket storage.Store, workspace string, at time.Time) *pod {
	t.Helper()
	p := &pod{}
	events := NewEvents(slog.New(slog.DiscardHandler), time.Now, "")
	events.Send(func(e contract.Event) { p.said = append(p.said, e) })
	marking := &Marking{Path: filepath.Join(workspace, "life.json"), Node: "gpu-7", Events: events, Now: func() time.Time { return at },
		Memory: func() (host.Memory, error) { return host.Memory{Used: 3 << 30, Limit: 4 << 30, Group: 7}, nil }}
	if err := marking.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Remembering = &Remembering{Key: contract.RunMarkerKey("j", 0), Bucket: func() Bucket { return bucket }, Marking: marking,
		Tracker: NewTracker(TrackerOptions{Now: time.Now}), Events: events, Wake: make(chan struct{}, 1)}
	return p
}

// kill ends the pod when its mark is in the bucket and leaves everything as it is.
func (p *pod) kill(t *testing.T, full int) {
	t.Helper()
	p.Tracker.Observe(contract.Message{Kind: contract.KindHeartbeat, Body: []byte(`{"epoch":3}`)})
	p.killIn(t, PhaseRunning, full)
}

func (p *pod) killIn(t *testing.T, phase string, full int) {
	t.Helper()
	p.Tracker.Enter(phase)
	if full > 0 {
		p.Marking.Marker.Memory(full, 4<<30*int64(full)/100, 4<<30)
		p.Look()
	}
	synctest.Wait()
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func localBucket(t *testing.T) storage.Store {
	t.Helper()
	bucket, err := storage.Open(t.Context(), storage.Config{Type: contract.StorageLocal, LocalDir: t.TempDir(), Bucket: "b", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

func TestTheNextPodKnowsHowTheOneBeforeWasKilled(t *testing.T) {
	for name, c := range map[string]struct {
		lives []int // the memory level at which each was killed, in an empty workspace each
		code  contract.Code
		says  []string
		ends  bool
	}{
		"without a word":            {[]int{0}, contract.CodeStopped, []string{"phase running, after epoch 3, node gpu-7", "3.0 GiB of 4.0 GiB"}, false},
		"for want of memory":        {[]int{95}, contract.CodeHostOOM, []string{"phase running, after epoch 3, node gpu-7", "95 % of 4.0 GiB"}, false},
		"for want of memory, twice": {[]int{90, 95}, contract.CodeHostOOM, []string{"95 % of 4.0 GiB"}, true},
		"not in a row":              {[]int{95, 0, 95}, contract.CodeHostOOM, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := localBucket(t)
				for i, full := range c.lives {
					p := newPod(t, bucket, t.TempDir(), time.Unix(int64(i), 0))
					if err := p.Start(t.Context()); err != nil {
						t.Fatal(err)
					}
					p.kill(t, full)
				}
				last := newPod(t, bucket, t.TempDir(), time.Unix(100, 0))
				err := last.Start(t.Context())
				if f := contract.AsFailure(err); c.ends != (f != nil) || f != nil && (f.Code != contract.CodeHostOOM || f.ExitCode() != contract.ExitFailed || f.Hint == "") {
					t.Errorf("the next pod begins with %v", err)
				}
				if len(last.said) != 1 || last.said[0].EventType != contract.EventPreviousRunKilled || !bytes.Contains(last.said[0].Data, []byte(`"code":"`+c.code+`"`)) {
					t.Fatalf("it says %+v", last.said)
				}
				for _, part := range c.says {
					if !strings.Contains(last.said[0].Message, part) {
						t.Errorf("%q does not say %q", last.said[0].Message, part)
					}
				}
				if err := last.Forget(t.Context()); err != nil {
					t.Fatal(err)
				}
				after := newPod(t, bucket, t.TempDir(), time.Unix(101, 0))
				if err := after.Start(t.Context()); err != nil || len(after.said) > 0 {
					t.Errorf("after a run that said how it ended: %v, %v", err, after.said)
				}
				_ = after.Stop(t.Context())
			})
		})
	}
}

// A batch size is no cause of what happens before a training process has begun.
func TestMemoryThatFillsBeforeTheTrainingIsNotBlamedOnIt(t *testing.T) {
	for name, c := range map[string]struct {
		phases []string
		says   string
	}{
		"while the dataset was prepared": {[]string{PhaseDownload, PhaseConvert}, "dataset of fewer files and objects"},
		"once in the training":           {[]string{PhaseRunning, PhaseConvert}, "smaller batch"},
		"then in the training":           {[]string{PhaseConvert, PhaseRunning}, "smaller batch"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := localBucket(t)
				for i, phase := range c.phases {
					p := newPod(t, bucket, t.TempDir(), time.Unix(int64(i), 0))
					if err := p.Start(t.Context()); err != nil {
						t.Fatal(err)
					}
					p.killIn(t, phase, 95)
				}
				last := newPod(t, bucket, t.TempDir(), time.Unix(100, 0))
				f := contract.AsFailure(last.Start(t.Context()))
				if f == nil || f.Code != contract.CodeHostOOM || !strings.Contains(f.Hint, c.says) {
					t.Errorf("the third pod ends with %v", f)
				}
				if before := beforeTraining(c.phases[1]); !strings.Contains(last.said[0].Message, "smaller batch") != before {
					t.Errorf("of the second: %s", last.said[0].Message)
				}
			})
		})
	}
}

// The workspace's own marker knows more than its copy, and one run is told once.
func TestARunThatTheWorkspaceKnowsOfIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket, workspace := localBucket(t), t.TempDir()
		for i := range mostForMemory {
			p := newPod(t, bucket, workspace, time.Unix(int64(i), 0))
			if err := p.Start(t.Context()); err != nil || len(p.said) > 0 {
				t.Fatalf("%v, %v", err, p.said)
			}
			p.kill(t, 95)
		}
		if err := newPod(t, bucket, workspace, time.Unix(9, 0)).Start(t.Context()); contract.AsFailure(err).Code != contract.CodeHostOOM {
			t.Errorf("after %d kills in one workspace: %v", mostForMemory, err)
		}
	})
}

func TestMemoryThatFellAgainIsNoReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := localBucket(t)
		p := newPod(t, bucket, t.TempDir(), time.Unix(0, 0))
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Marking.Marker.Memory(95, 1, 2)
		p.Marking.Marker.Eased()
		p.kill(t, 0)
		next := newPod(t, bucket, t.TempDir(), time.Unix(1, 0))
		if err := next.Start(t.Context()); err != nil || !bytes.Contains(next.said[0].Data, []byte(`"code":"STOPPED"`)) {
			t.Errorf("%v, %s", err, next.said[0].Data)
		}
		_ = next.Stop(t.Context())
	})
}

// mute is a bucket that never answers.
type mute struct{ storage.Store }

func (mute) Get(ctx context.Context, _ string, _, _ int64, _ string) (io.ReadCloser, contract.ObjectInfo, error) {
	<-ctx.Done()
	return nil, contract.ObjectInfo{}, ctx.Err()
}

func (mute) Put(ctx context.Context, _ string, _ io.ReaderAt, _ int64, _ func() error) (contract.ObjectInfo, error) {
	<-ctx.Done()
	return contract.ObjectInfo{}, ctx.Err()
}

func TestABucketThatHangsHoldsUpNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPod(t, mute{}, t.TempDir(), time.Unix(0, 0))
		began := time.Now()
		if err := p.Start(t.Context()); err != nil || time.Since(began) > keepWithin {
			t.Errorf("it began after %v with %v", time.Since(began), err)
		}
		if said := strings.Join(p.Events.Warnings(), " "); !strings.Contains(said, "is not known") {
			t.Errorf("it says %q of what it could not read", said)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzRunMarker(f *testing.F) {
	f.Add([]byte(`{"started":"2026-01-02T03:04:05Z","memory_percent":95,"memory_limit":4294967296,"killed_for_memory":1}`))
	f.Add([]byte(`{"oom_kills":-1,"cgroup":7}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kills := int64(3)
		p := inquest(b, host.Memory{Group: 7, OOMKills: &kills})
		if p.Message == "" || p.Code == "" || p.InARow < 0 {
			t.Errorf("%+v", p)
		}
		if _, err := json.Marshal(p); err != nil {
			t.Error(err)
		}
	})
}
