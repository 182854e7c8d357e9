package outbox

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/vision-platform/trainer-agent/contract"
)

// stored makes a store with n events and returns its file.
func stored(t *testing.T, dir string, n int) (path string, file []byte) {
	t.Helper()
	o := open(t, dir, options("http://backend.test"))
	for i := range n {
		appendAll(t, o, event("event-"+strconv.Itoa(i)))
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, storeName)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, file
}

// delivered opens the store, delivers what is there and returns the events in
// the order of arrival, reports of damage left out.
func delivered(t *testing.T, dir string) (events []int, setAside []string) {
	t.Helper()
	b := newBackend(t, nil)
	o := open(t, dir, options(b.URL))
	run(t, o)
	appendAll(t, o, event("event-999"))
	flush(t, o)
	for _, r := range b.got() {
		if _, after, ok := strings.Cut(r.body, "event-"); ok {
			n, err := strconv.Atoi(after[:strings.IndexByte(after, '"')])
			if err != nil {
				t.Fatalf("the backend got %q", r.body)
			}
			events = append(events, n)
		} else if !strings.Contains(r.body, "resource_warning") {
			t.Errorf("the backend got %q", r.body)
		}
	}
	return events, o.Pending().SetAside
}

func TestADamagedStoreIsSetAsideReportedAndDoesNotStopTheJob(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut to nothing": func(b []byte) []byte { return b[:100] },
		"cut in half":    func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("event-"))/2] },
		"cut after meta": func(b []byte) []byte { return b[:2*4096] },
		"zeroed meta":    func(b []byte) []byte { clear(b[:2*4096]); return b },
		"zeroed pages":   func(b []byte) []byte { clear(b[2*4096:]); return b },
		"noise":          func(b []byte) []byte { return bytes.Repeat([]byte("noise"), len(b)/5) },
		// In the page that counts and in those that bbolt has done with.
		"one changed byte": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`event-7"`), []byte(`event-8"`)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, file := stored(t, dir, 40)
			file = damage(file)
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			events, setAside := delivered(t, dir)
			if len(events) == 0 || events[len(events)-1] != 999 {
				t.Fatalf("the new message was not delivered: %v", events)
			}
			if len(setAside) != 1 {
				t.Fatalf("set aside %v, want one file", setAside)
			}
			kept, err := os.ReadFile(setAside[0])
			if err != nil || !bytes.Equal(kept, file) {
				t.Errorf("the damaged store is not kept as it was (%v)", err)
			}
			if name == "one changed byte" && len(events) != 40 { // 39 of 40, and the new one
				t.Errorf("%d events survived one changed byte, want 40", len(events))
			}
		})
	}
}

func TestFlippedBitsNeverStopTheJobOrInventMessages(t *testing.T) {
	dir := t.TempDir()
	path, whole := stored(t, dir, 40)
	pages := bytes.LastIndex(whole, []byte("event-")) / 4096
	silent := 0
	for round := range 60 {
		rng := rand.New(rand.NewPCG(5, uint64(round)))
		file := bytes.Clone(whole)
		for range 1 + rng.IntN(4) {
			file[rng.IntN((pages+2)*4096)] ^= 1 << rng.IntN(8)
		}
		next := t.TempDir()
		if err := os.WriteFile(filepath.Join(next, filepath.Base(path)), file, 0o600); err != nil {
			t.Fatal(err)
		}
		events, setAside := delivered(t, next)
		if len(events) == 0 || events[len(events)-1] != 999 {
			t.Fatalf("round %d: the new message was not delivered: %v", round, events)
		}
		for i, e := range events[:len(events)-1] {
			if e < 0 || e >= 40 || (i > 0 && e <= events[i-1]) {
				t.Errorf("round %d: delivered %v", round, events)
				break
			}
		}
		if len(events) < 41 && len(setAside) == 0 {
			silent++
		}
	}
	if silent > 0 {
		t.Errorf("%d rounds lost messages without a report", silent)
	}
}

func TestAStoreThatIsDamagedUnderWayIsReplaced(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"cut short": func(path string) error { return os.Truncate(path, 100) },
		"emptied":   func(path string) error { return os.Truncate(path, 0) },
		"noise": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.Write(bytes.Repeat([]byte("noise"), 20_000))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, nil)
			dir := t.TempDir()
			o := open(t, dir, options(b.URL))
			for i := range 30 {
				appendAll(t, o, event("before-"+strconv.Itoa(i)))
			}
			if err := damage(filepath.Join(dir, storeName)); err != nil {
				t.Fatal(err)
			}
			appendAll(t, o, event("after"))
			run(t, o)
			flush(t, o)
			got := b.got()
			if last := got[len(got)-1].body; !strings.Contains(last, "after") {
				t.Errorf("the last message is %s", last)
			}
			if n := len(o.Pending().SetAside); n != 1 {
				t.Errorf("%d files set aside, want 1", n)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			if d := open(t, dir, options(b.URL)).Pending().Depth; d != 0 {
				t.Errorf("%d messages are there again", d)
			}
		})
	}
}

func TestMessagesThatAreGoneWithoutATraceAreNoticed(t *testing.T) {
	dir := t.TempDir()
	path, _ := stored(t, dir, 20)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { // as if a branch of the tree were skipped
		c := tx.Bucket(bucketQueue).Cursor()
		c.First()
		return c.Delete()
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if events, setAside := delivered(t, dir); len(events) != 20 || len(setAside) != 1 {
		t.Errorf("delivered %v, set aside %v", events, setAside)
	}
}

func TestAKillWhileTheStoreIsReplacedLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path, _ := stored(t, dir, 3)
	if err := os.Rename(path, path+".new"); err != nil { // killed between the two renames
		t.Fatal(err)
	}
	if events, setAside := delivered(t, dir); len(events) != 4 || len(setAside) != 0 {
		t.Errorf("delivered %v, set aside %v", events, setAside)
	}
	dir = t.TempDir()
	path, _ = stored(t, dir, 3)
	if err := os.WriteFile(path+".new", []byte("half made"), 0o600); err != nil { // killed while making it
		t.Fatal(err)
	}
	if events, setAside := delivered(t, dir); len(events) != 4 || len(setAside) != 0 {
		t.Errorf("delivered %v, set aside %v", events, setAside)
	}
}

func TestTheStoreOfAnotherJobIsSetAsideUnread(t *testing.T) {
	dir := t.TempDir()
	stored(t, dir, 3)
	b := newBackend(t, nil)
	opts := options(b.URL)
	opts.JobID = "job-2"
	o := open(t, dir, opts)
	run(t, o)
	appendAll(t, o, heartbeat(1))
	flush(t, o)
	for _, r := range b.got() {
		if !strings.HasPrefix(r.path, "/api/v1/jobs/job-2/") || strings.Contains(r.body, "event-") {
			t.Errorf("the backend got %+v", r)
		}
	}
	if n := len(o.Pending().SetAside); n != 1 {
		t.Errorf("%d files set aside, want 1", n)
	}
}

func TestTwoAgentsDoNotShareAnOutbox(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, options("http://backend.test"))
	_, err := Open(dir, options("http://backend.test"))
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok || f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Hint, "WORKSPACE_DIR") {
		t.Errorf("opening twice: %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	r := record{seq: 7, kind: contract.KindEvent, body: []byte(`{}`)}
	b, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(7), b)
	f.Fuzz(func(t *testing.T, seq uint64, b []byte) {
		r, err := decodeRecord(seq, b)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("the error %v is not errDamaged", err)
			}
			return
		}
		if len(r.body) > len(b) || r.seq != seq {
			t.Errorf("read %+v", r)
		}
	})
}
