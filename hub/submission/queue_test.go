package submission_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestLeaseEndsByTime(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.create(t, upload("custom-yolo", "1.0.0"))
		first := d.claim(t)
		if d.claim(t) != nil {
			t.Fatal("two have one task")
		}
		d.now = d.now.Add(submission.Lease / 2)
		if err := first.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(submission.Lease)
		second := d.claim(t)
		if second == nil {
			t.Fatal("the lease did not end")
		}
		if err := first.Advance(t.Context(), nil); !errors.Is(err, submission.ErrLost) {
			t.Errorf("who lost the lease moved on: %v", err)
		}
		if err := second.Advance(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := second.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if third := d.claim(t); third == nil || third.State != submission.Scanning {
			t.Errorf("after a release: %+v", third)
		}
	})
}

func TestFaultIsTriedThreeTimes(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		for try := range 3 {
			task := d.claim(t)
			if task == nil {
				t.Fatalf("try %d: nothing to do", try)
			}
			if err := task.Fault(t.Context(), errors.New("clamd is away")); err != nil {
				t.Fatal(err)
			}
			if d.claim(t) != nil {
				t.Fatalf("try %d: tried again at once", try)
			}
			d.now = d.now.Add(time.Minute)
		}
		if at := d.state(t, made.ID); at.State != submission.Failed || at.Reason != "clamd is away" {
			t.Errorf("%+v", at)
		}
	})
}

// What waits for a store is not given up, however long the store is away, and no fault is counted.
func TestPostponedIsNotCounted(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		for try := range 25 { // more than a state may be begun
			task := d.claim(t)
			if task == nil {
				t.Fatalf("try %d: nothing to do", try)
			}
			if err := task.Postpone(t.Context(), errors.New("the store is away")); err != nil {
				t.Fatal(err)
			}
			if d.claim(t) != nil {
				t.Fatalf("try %d: tried again at once", try)
			}
			d.now = d.now.Add(time.Minute)
		}
		events, err := d.Records.Events(t.Context(), made.ID, 0)
		if len(events) != 2 || events[1].Kind != "fault" || err != nil { // received, and that it waits
			t.Errorf("%d events, %v", len(events), err)
		}
		if err := d.claim(t).Fault(t.Context(), errors.New("clamd is away")); err != nil {
			t.Fatal(err)
		}
		if at := d.state(t, made.ID); at.State != submission.Received {
			t.Errorf("%+v", at)
		}
	})
}

// What was proven is not thrown away for a bucket that is away a quarter of an hour.
func TestPublishingWaitsForWhatIsAway(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made, began := d.create(t, upload("custom-yolo", "1.0.0")), d.now
		for at := d.state(t, made.ID); at.State.Open(); at = d.state(t, made.ID) {
			task := d.claim(t)
			for err := error(nil); task != nil && err == nil && task.State != submission.Publishing; {
				err = task.Advance(t.Context(), nil)
			}
			if task != nil {
				if err := task.Fault(t.Context(), errors.New("the bucket is away")); err != nil {
					t.Fatal(err)
				}
			}
			d.now = d.now.Add(5 * time.Second)
		}
		if waited := d.now.Sub(began); waited < 15*time.Minute || waited > 30*time.Minute {
			t.Errorf("given up after %s", waited)
		}
	})
}

// A package that takes the hub down with it is not begun for ever.
func TestStateThatNeverEndsIsGivenUp(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		for range 21 {
			d.claim(t)
			if err := d.Queue.Forget(t.Context()); err != nil { // as at the start after a kill
				t.Fatal(err)
			}
		}
		if at := d.state(t, made.ID); at.State != submission.Failed || !strings.Contains(at.Reason, "begun 20 times") {
			t.Errorf("%+v", at)
		}
	})
}

func TestManyWorkersTakeEachTaskOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		var made []string
		for i := range submission.MaxOpen {
			made = append(made, d.create(t, upload(fmt.Sprintf("trainer-%c", 'a'+i), "1.0.0")).ID)
		}
		refused(t, d, upload("one-more", "1.0.0"), "on their way, which is the limit")
		taken := make(chan string, 2*len(made))
		for range 2 * len(made) {
			go func() {
				task, err := d.Queue.Claim(t.Context())
				if err != nil {
					t.Error(err)
				}
				if task == nil {
					taken <- ""
					return
				}
				taken <- task.ID
			}()
		}
		var got []string
		for range 2 * len(made) {
			if id := <-taken; id != "" {
				got = append(got, id)
			}
		}
		// With many at once PostgreSQL skips what another one looks at: nobody waits, and the rest comes with the next look.
		for task := d.claim(t); task != nil; task = d.claim(t) {
			got = append(got, task.ID)
		}
		slices.Sort(got)
		slices.Sort(made)
		if !slices.Equal(got, made) {
			t.Errorf("made %v, taken %v", made, got)
		}
	})
}

// A user's second upload does not wait behind all of another's; nor does anybody overtake
// his own.
func TestUsersTakeTurns(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for i := range 5 {
			d.create(t, upload(fmt.Sprintf("segmenter-%c", 'a'+i), "1.0.0"))
			d.now = d.now.Add(time.Second)
		}
		for _, name := range []string{"cells", "leaves"} {
			up := upload(name, "1.0.0")
			up.Owner = "bob"
			d.create(t, up)
			d.now = d.now.Add(time.Second)
		}
		var order []string
		for task := d.claim(t); task != nil; task = d.claim(t) {
			order = append(order, task.Name)
			d.finish(t, task)
			d.now = d.now.Add(time.Second)
		}
		if want := []string{"segmenter-a", "cells", "segmenter-b", "leaves", "segmenter-c", "segmenter-d", "segmenter-e"}; !slices.Equal(order, want) {
			t.Errorf("%q", order)
		}
	})
}
