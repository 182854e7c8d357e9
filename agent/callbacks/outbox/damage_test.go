package outbox

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// segment is the one file of a small store's messages.
func segment(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, storeName, "*.seg"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the segments are %v (%v), want one", found, err)
	}
	return found[0]
}

// stored makes a store with n events and returns the file that has them.
func stored(t *testing.T, dir string, n int) (path string, file []byte) {
	t.Helper()
	o := open(t, dir, options("http://backend.test"))
	for i := range n {
		appendAll(t, o, event("event-"+strconv.Itoa(i)))
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	path = segment(t, dir)
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
	last := func(b []byte) int { return bytes.LastIndex(b, []byte("event-")) }
	for name, damage := range map[string]func([]byte) []byte{
		"cut to nothing":     func([]byte) []byte { return nil },
		"cut after the head": func(b []byte) []byte { return b[:40] },
		"cut in half":        func(b []byte) []byte { return b[:last(b)/2] },
		"cut at the end":     func(b []byte) []byte { return b[:last(b)] },
		"zeroed head":        func(b []byte) []byte { clear(b[:40]); return b },
		"zeroed end":         func(b []byte) []byte { clear(b[last(b)/2:]); return b },
		"zeroed":             func(b []byte) []byte { clear(b); return b },
		"noise":              func(b []byte) []byte { return bytes.Repeat([]byte("noise"), len(b)/5) },
		"one changed byte":   func(b []byte) []byte { return bytes.Replace(b, []byte(`event-7"`), []byte(`event-8"`), 1) },
		"the newest changed": func(b []byte) []byte { return bytes.Replace(b, []byte(`event-39"`), []byte(`event-38"`), 1) },
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
				t.Fatalf("set aside %v, want one folder", setAside)
			}
			kept, err := os.ReadFile(filepath.Join(setAside[0], filepath.Base(path)))
			if err != nil || !bytes.Equal(kept, file) {
				t.Errorf("the damaged store is not kept as it was (%v)", err)
			}
			if strings.HasSuffix(name, "changed byte") && len(events) != 40 { // 39 of 40, and the new one
				t.Errorf("%d events survived one changed byte, want 40", len(events))
			}
		})
	}
}

func TestAStoreThatLacksAFileIsSetAside(t *testing.T) {
	for name, lost := range map[string]int{"cursor": 0, "*.seg": 40} {
		dir := t.TempDir()
		stored(t, dir, 40)
		found, err := filepath.Glob(filepath.Join(dir, storeName, name))
		if err != nil || len(found) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		if err := os.Remove(found[0]); err != nil {
			t.Fatal(err)
		}
		if events, setAside := delivered(t, dir); len(events) != 41-lost || len(setAside) != 1 {
			t.Errorf("without %s: delivered %v, set aside %v", name, events, setAside)
		}
	}
}

func TestFlippedBitsNeverStopTheJobOrInventMessages(t *testing.T) {
	dir := t.TempDir()
	path, whole := stored(t, dir, 40)
	end := bytes.LastIndex(whole, []byte("event-")) + 200
	cursor := filepath.Join(dir, storeName, "cursor")
	mark, err := os.ReadFile(cursor)
	if err != nil {
		t.Fatal(err)
	}
	silent := 0
	for round := range 60 {
		rng := rand.New(rand.NewPCG(5, uint64(round)))
		next := t.TempDir()
		if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		file, torn := bytes.Clone(whole), bytes.Clone(mark)
		for range 1 + rng.IntN(4) {
			file[rng.IntN(end)] ^= 1 << rng.IntN(8)
		}
		if round%10 == 0 {
			torn[rng.IntN(len(torn))] ^= 1 << rng.IntN(8)
		}
		for path, b := range map[string][]byte{path: file, cursor: torn} {
			if err := os.WriteFile(filepath.Join(next, storeName, filepath.Base(path)), b, 0o600); err != nil {
				t.Fatal(err)
			}
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
			if err := damage(segment(t, dir)); err != nil {
				t.Fatal(err)
			}
			appendAll(t, o, event("after"))
			run(t, o)
			flush(t, o)
			got := b.got()
			if last := got[len(got)-1].body; !strings.Contains(last, "resource_warning") { // found when the queue is read
				t.Errorf("the last message is %s", last)
			}
			if last := got[len(got)-2].body; !strings.Contains(last, "after") {
				t.Errorf("the last message but one is %s", last)
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
	path, file := stored(t, dir, 20)
	before, records, _ := bytes.Cut(file, []byte("tar")) // a record's magic
	_, others, _ := bytes.Cut(records, []byte("tar"))
	whole := [][]byte{before, others} // every record that is there is sound
	if err := os.WriteFile(path, bytes.Join(whole, []byte("tar")), 0o600); err != nil {
		t.Fatal(err)
	}
	if events, setAside := delivered(t, dir); len(events) != 20 || len(setAside) != 1 {
		t.Errorf("delivered %v, set aside %v", events, setAside)
	}
}

func TestAKillWhileTheStoreIsReplacedLosesNothing(t *testing.T) {
	dir := t.TempDir()
	stored(t, dir, 3)
	path := filepath.Join(dir, storeName)
	if err := os.Rename(path, path+".new"); err != nil { // killed between the two renames
		t.Fatal(err)
	}
	if events, setAside := delivered(t, dir); len(events) != 4 || len(setAside) != 0 {
		t.Errorf("delivered %v, set aside %v", events, setAside)
	}
	dir = t.TempDir()
	stored(t, dir, 3)
	half := filepath.Join(dir, storeName+".new") // killed while making it
	if err := errors.Join(os.Mkdir(half, 0o700), os.WriteFile(filepath.Join(half, "cursor"), []byte("half made"), 0o600)); err != nil {
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

func TestOnlyTheNewestDamagedStoresAreKept(t *testing.T) {
	dir := t.TempDir()
	var made []string
	for i := range 6 {
		opts := options("http://backend.test")
		opts.JobID = "job-" + strconv.Itoa(i) // each finds another's outbox: the end of that is set aside too
		second := 100 + i/2
		if i == 5 {
			second = 1 // the clock was set back
		}
		opts.Now = func() time.Time { return time.Unix(int64(second), 0) }
		o := open(t, dir, opts)
		made = append(made, o.Pending().SetAside...)
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(made) != 5 {
		t.Fatalf("set aside: %v", made)
	}
	for _, name := range []string{storeName, slotName} {
		left, err := filepath.Glob(filepath.Join(dir, "*."+name+".damaged"))
		if err != nil || len(left) != maxAside {
			t.Errorf("%d of %s are kept (%v), want %d: %v", len(left), name, err, maxAside, left)
		}
	}
	for i, path := range made { // at 100 s, 101 s twice, 102 s, and 1 s
		_, err := os.Stat(path)
		if kept := err == nil; kept != (i >= 2) {
			t.Errorf("%s is kept: %v", path, kept)
		}
	}
}

func TestAStoreThatIsDamagedAgainAndAgainNamesOnlyWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir, options("http://backend.test"))
	for i := range maxAside + 2 {
		appendAll(t, o, event("event-"+strconv.Itoa(i)))
		if err := os.Truncate(segment(t, dir), 10); err != nil {
			t.Fatal(err)
		}
		o.queue.mu.Lock()
		o.queue.journal.store.Abandon()
		err := repair{o.queue}.replace(spool.ErrDamaged)
		o.queue.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	named := o.Pending().SetAside
	if len(named) != maxAside {
		t.Errorf("%d are named: %v", len(named), named)
	}
	for _, path := range named {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAnotherJobLeftIsNotTakenForThisJobs(t *testing.T) {
	dir := t.TempDir()
	b := newBackend(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/event") {
			w.WriteHeader(http.StatusConflict)
		}
	})
	first := open(t, dir, options(b.URL))
	run(t, first)
	appendAll(t, first, event("refused"))
	flush(t, first)
	if err := first.Keep(done("succeeded")); err != nil {
		t.Fatal(err)
	}
	appendFinal(t, first, done("succeeded"))
	flush(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	opts := options(b.URL)
	opts.JobID = "job-2"
	o := open(t, dir, opts)
	var lines bytes.Buffer
	if _, err := o.Export(&lines); err != nil || strings.Contains(lines.String(), "job-1:") {
		t.Errorf("exported %s (%v)", lines.String(), err)
	}
	if _, found := o.Kept(contract.KindDone); found {
		t.Error("the other job's own final message is this one's")
	}
	if f, stored := o.Final(); stored {
		t.Errorf("the other job's end is this one's: %+v", f)
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
	s := &seal{job: "job-1", key: []byte("key")}
	raw, err := s.encode(record{seq: 7, kind: contract.KindEvent, body: []byte(`{}`)}, asQueued)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(7), raw.Data)
	f.Fuzz(func(t *testing.T, seq uint64, b []byte) {
		if r, fit, err := childsWord(spool.Record{Seq: seq, Data: b}); err == nil && fit && r.kind.Final() {
			t.Errorf("%q is taken for a final message", b)
		}
		r, err := s.decode(spool.Record{Seq: seq, Data: b}, asQueued)
		if err != nil {
			if !errors.Is(err, spool.ErrDamaged) {
				t.Errorf("the error %v is not ErrDamaged", err)
			}
			return
		}
		if len(r.body) > len(b) || r.seq != seq || !bytes.Equal(b, raw.Data) {
			t.Errorf("read %+v", r)
		}
	})
}
