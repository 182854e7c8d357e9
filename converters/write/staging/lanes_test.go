package staging

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered are lanes of these lengths, whose items count through all of them.
func numbered(lengths ...int) []Lane {
	var lanes []Lane
	item := int32(0)
	for i, n := range lengths {
		l := Lane{Folder: fmt.Sprintf("a/%d", i), Weight: 1 + i%3}
		for range n {
			l.Items = append(l.Items, item)
			item++
		}
		lanes = append(lanes, l)
	}
	return lanes
}

func TestEveryItemOfEveryLaneIsDoneOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 3*laneBatch), 0, 9).Draw(t, "lengths")
		total := 0
		for _, n := range lengths {
			total += n
		}
		var mu sync.Mutex
		done := make([]int, total)
		told := 0
		progress := func(now, of int) {
			if now < told || of != total {
				t.Errorf("told %d of %d after %d", now, of, told)
			}
			told = now
		}
		d := Counter()
		err := d.Work(context.Background(), numbered(lengths...), progress, func() func(*Lane, *Folder, int32) error {
			return func(l *Lane, f *Folder, item int32) error {
				mu.Lock()
				defer mu.Unlock()
				if f == nil || !slices.Contains(l.Items, item) {
					t.Errorf("item %d is not of lane %s", item, l.Folder)
				}
				done[item]++
				return nil
			}
		})
		if err != nil || told != total || slices.ContainsFunc(done, func(n int) bool { return n != 1 }) {
			t.Fatalf("%v, told %d of %d, done %v", err, told, total, done)
		}
	})
}

// TestALaneKeepsItsFolder: files land in the lane's own folder, and a lane that
// is alone is shared.
func TestALaneKeepsItsFolder(t *testing.T) {
	d, src := make1(t)
	lanes := numbered(3*laneBatch, 5)
	err := d.Work(t.Context(), lanes, nil, func() func(*Lane, *Folder, int32) error {
		return func(l *Lane, f *Folder, item int32) error {
			if item%2 == 0 {
				return f.Link(src, fmt.Sprint(item))
			}
			return f.Write(fmt.Sprint(item), []byte(l.Folder))
		}
	})
	if err := errors.Join(err, d.Commit()); err != nil {
		t.Fatal(err)
	}
	for _, l := range lanes {
		entries, err := os.ReadDir(d.Final + "/" + l.Folder)
		if err != nil || len(entries) != len(l.Items) {
			t.Errorf("%s has %d files, want %d: %v", l.Folder, len(entries), len(l.Items), err)
		}
		if name := fmt.Sprintf("%s/%s/%d", d.Final, l.Folder, l.Items[0]|1); read(t, name) != l.Folder {
			t.Errorf("%s has another content", name)
		}
	}
}

func TestWorkStopsAtTheFirstError(t *testing.T) {
	boom := errors.New("boom")
	d := Counter()
	count := 0
	var mu sync.Mutex
	err := d.Work(t.Context(), numbered(50*laneBatch, 50*laneBatch, 50*laneBatch), nil, func() func(*Lane, *Folder, int32) error {
		return func(*Lane, *Folder, int32) error {
			mu.Lock()
			defer mu.Unlock()
			count++
			return boom
		}
	})
	if !errors.Is(err, boom) || count > workers() {
		t.Errorf("%v after %d items", err, count)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = d.Work(ctx, numbered(1), nil, func() func(*Lane, *Folder, int32) error {
		return func(*Lane, *Folder, int32) error { t.Error("work after the end"); return nil }
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
