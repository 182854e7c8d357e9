package submission_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestWayOfASubmission(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for _, dry := range []bool{true, false} {
			up := upload("custom-yolo-turbo", "1.0.0")
			up.DryRun = dry
			made := d.create(t, up)
			task := d.claim(t)
			if err := task.Begin(t.Context(), "secrets"); err != nil {
				t.Fatal(err)
			}
			if at := d.state(t, made.ID); at.Step != "secrets" {
				t.Errorf("step %q", at.Step)
			}
			report := contract.StepReport{Name: "secrets", Status: contract.StepPassed, Log: "quiet"}
			for range 2 { // taken twice, as after a kill
				if err := task.Report(t.Context(), report); err != nil {
					t.Fatal(err)
				}
			}
			d.finish(t, task)
			var way []string
			events, err := d.Records.Events(t.Context(), made.ID, 0)
			for _, e := range events {
				var data struct{ State string }
				if _ = json.Unmarshal(e.Data, &data); e.Kind == "state" {
					way = append(way, data.State)
				}
			}
			want := "received scanning building testing publishing active"
			if dry {
				want = "received scanning building testing proven"
			}
			if got := strings.Join(way, " "); got != want || err != nil {
				t.Errorf("dry run %v: %s, %v", dry, got, err)
			}
			if last := events[len(events)-1].Seq; last != int64(len(events)) {
				t.Errorf("%d events, the last has the number %d", len(events), last)
			}
			if steps, err := d.Records.Steps(t.Context(), d.state(t, made.ID)); len(steps) != 1 || steps[0].Log != "quiet" || err != nil {
				t.Errorf("steps %v, %v", steps, err)
			}
			if d.claim(t) != nil {
				t.Error("there is still something to do")
			}
		}
	})
}

func TestChangesWakeWhoWaits(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		changed := d.Bell.Changed()
		d.create(t, upload("custom-yolo", "1.0.0"))
		<-changed
		d.claim(t) // nobody needs to know
		select {
		case <-d.Bell.Changed():
			t.Error("woken for nothing")
		default:
		}
	})
}

// What a step writes is seen while it is taken, its end only, and without what is private.
func TestOutputOfAStepIsSeenWhileItIsTaken(t *testing.T) {
	s, task := submission.New(nil, time.Now), &submission.Task{Submission: submission.Submission{ID: "1"}}
	out, done := s.Output.Of(task, strings.NewReplacer("/srv/hub", "…"))
	for _, text := range []string{"reading /srv", "/hub/train.py\n", strings.Repeat("é", 10<<10), "the end"} {
		if n, err := io.WriteString(out, text); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if strings.Contains(s.Output.Live("1"), "/srv/hub") || !utf8.ValidString(s.Output.Live("1")) {
			t.Errorf("%q", s.Output.Live("1")[:100])
		}
	}
	if got := s.Output.Live("1"); len(got) > 16<<10 || !strings.HasSuffix(got, "éthe end") {
		t.Errorf("%d bytes", len(got))
	}
	if got := s.Output.Live("2"); got != "" {
		t.Errorf("another's: %q", got)
	}
	if done(); s.Output.Live("1") != "" {
		t.Errorf("after it: %q", s.Output.Live("1"))
	}
}
