package outbox

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestKeysDoNotRepeatAfterDamage(t *testing.T) {
	dir := t.TempDir()
	b := newBackend(t, nil)
	o := open(t, dir, options(b.URL))
	run(t, o)
	appendAll(t, o, event("event-1"), event("event-2"))
	flush(t, o)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment(t, dir), []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	o = open(t, dir, options(b.URL))
	run(t, o)
	appendAll(t, o, event("event-3"))
	flush(t, o)
	seen := map[string]bool{}
	for _, r := range b.got() {
		if seen[r.key] {
			t.Errorf("the key %s came twice", r.key)
		}
		seen[r.key] = true
	}
	if len(seen) != 4 { // with the report of the damage
		t.Errorf("%d messages arrived, want 4", len(seen))
	}
}

func TestTheKeyOfALostMessageIsNotGivenAway(t *testing.T) {
	dir := t.TempDir()
	opts := options("http://backend.test")
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	opts.Now = func() time.Time { return clock }
	o := open(t, dir, opts)
	for i := range 40 {
		appendAll(t, o, event("event-"+strconv.Itoa(i)))
	}
	next := o.queue.index.next
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	path := segment(t, dir)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file = bytes.ReplaceAll(file, []byte(`event-39"`), []byte(`event-93"`)) // the newest
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Minute)
	o = open(t, dir, opts)
	if len(o.Pending().SetAside) != 1 || o.Pending().Depth != 40 { // 39 and the report
		t.Fatalf("%+v", o.Pending())
	}
	if o.queue.index.newest.seq < next {
		t.Errorf("the report is message %d, and %d was given to another", o.queue.index.newest.seq, next-1)
	}
}

func TestANewWorkspaceDoesNotRepeatTheKeysOfAnEarlierOne(t *testing.T) {
	b := newBackend(t, nil)
	opts := options(b.URL)
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	opts.Now = func() time.Time { return clock }
	for range 3 { // a pod, and two more after preemptions
		o := open(t, t.TempDir(), opts)
		run(t, o)
		appendAll(t, o, heartbeat(1), heartbeat(2))
		flush(t, o)
		clock = clock.Add(time.Second)
	}
	seen := map[string]bool{}
	for _, r := range b.got() {
		seen[r.key] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d keys for 6 messages", len(seen))
	}
}
