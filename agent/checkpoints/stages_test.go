package checkpoints

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

func TestTheEndOfTheUploadsCannotBeOutwaited(t *testing.T) {
	crew.Watch(t.Context()) // as in the agent: what panics in the background is a bug of ours, and not the end of the process
	release := make(chan struct{})
	stuck := newBucket()
	stuck.fail = func(op, _ string) error {
		if op == "put" {
			<-release // whatever becomes of the context
		}
		return nil
	}
	broken := newBucket()
	broken.fail = func(string, string) error { panic("index out of range") }
	for name, c := range map[string]struct {
		bucket *bucket // nil: nobody ever watched
		limit  time.Duration
		looked bool
		warns  int
		bug    bool
	}{
		"nobody watched":          {nil, time.Minute, false, 0, false},
		"the bucket takes it":     {newBucket(), time.Minute, true, 0, false},
		"the bucket stands still": {stuck, 10 * time.Millisecond, false, 1, false},
		"its client has a bug":    {broken, time.Minute, false, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			events := job.NewEvents(slog.New(slog.DiscardHandler), time.Now, "")
			u := &Uploading{Tracker: job.NewTracker(job.TrackerOptions{Now: time.Now}), Events: events, Bus: &job.Bus{}}
			if c.bucket != nil {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "results.json"), []byte("{}"), 0o644); err != nil {
					t.Fatal(err)
				}
				u.Options = func() Options {
					return Options{Dir: dir, JobID: "job-1", Store: c.bucket, OutputPrefix: contract.OutputPrefix(contract.Job{Type: contract.JobInference})}
				}
				if err := u.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = u.Stop(context.Background()) }()
				if c.bucket == stuck {
					defer close(release)
				}
			}
			summary := u.FinishWithin(t.Context(), c.limit, FinishOptions{Clean: true, Ended: time.Now()})
			if summary.Seen != c.looked || summary.Seen != (len(summary.Artifacts) == 1) || len(events.Warnings()) != c.warns {
				t.Errorf("seen %v, %+v, warned of %q", summary.Seen, summary.Artifacts, events.Warnings())
			}
			if f := summary.Failure(); (f != nil && f.Code == contract.CodeInternal) != c.bug {
				t.Errorf("the failure is %+v", f)
			}
		})
	}
}
