package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func open(t fataler, dir string) *Spool {
	t.Helper()
	s, err := Open(dir, "job-1")
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	return s
}

// again opens the spool as the next life does after a kill.
func again(t fataler, s *Spool) *Spool {
	t.Helper()
	s.Abandon()
	return open(t, s.dir)
}

func write(t fataler, s *Spool, r Record) Place {
	t.Helper()
	at, err := s.Write(r)
	if err != nil {
		t.Fatalf("writing: %v", err)
	}
	return at
}

func data(seq uint64, size int) []byte {
	return append(fmt.Appendf(nil, "record-%d", seq), bytes.Repeat([]byte{'x'}, size)...)
}

// waiting lists what waits, and checks every record's data.
func waiting(t fataler, s *Spool) (seqs []uint64) {
	t.Helper()
	reader := s.Reader()
	defer reader.Close()
	for {
		r, at, found, err := reader.Next()
		if err != nil {
			t.Fatalf("reading: %v", err)
		}
		if !found {
			break
		}
		if !bytes.HasPrefix(r.Data, fmt.Appendf(nil, "record-%d", r.Seq)) {
			t.Fatalf("record %d has the data %.20q", r.Seq, r.Data)
		}
		if same, err := s.Read(at); err != nil || same.Seq != r.Seq {
			t.Fatalf("at %v is %d (%v), not %d", at, same.Seq, err, r.Seq)
		}
		seqs = append(seqs, r.Seq)
	}
	if s.Waiting() != len(seqs) {
		t.Fatalf("%d records wait, counted as %d", len(seqs), s.Waiting())
	}
	return seqs
}

func TestASpoolIsAQueueThatOutlivesKills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool-")
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer os.RemoveAll(dir)
		s := open(t, dir)
		defer func() { s.Abandon() }()
		var want []uint64
		seq, done := uint64(0), uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				seq += rapid.Uint64Range(1, 3).Draw(t, "step")
				r := Record{Seq: seq, Data: data(seq, rapid.SampledFrom([]int{0, 1, 700, 300_000}).Draw(t, "size"))}
				if len(want) > 0 && rapid.Bool().Draw(t, "supersedes") {
					i := rapid.IntRange(0, len(want)-1).Draw(t, "which")
					r.Supersedes = want[i]
					want = slices.Delete(want, i, i+1)
				}
				write(t, s, r)
				want = append(want, seq)
			},
			"sync": func(t *rapid.T) {
				if err := s.Sync(1); err != nil {
					t.Fatalf("syncing: %v", err)
				}
			},
			"done": func(t *rapid.T) {
				if len(want) == 0 {
					return
				}
				n := rapid.IntRange(1, min(3, len(want))).Draw(t, "records")
				done = want[n-1]
				if err := s.Done(done); err != nil {
					t.Fatalf("giving up %d: %v", done, err)
				}
				want = want[n:]
			},
			"kill": func(t *rapid.T) { s = again(t, s) },
			"": func(t *rapid.T) {
				if got := waiting(t, s); !slices.Equal(got, want) {
					t.Fatalf("%v wait, want %v", got, want)
				}
				if s.Last() != seq {
					t.Fatalf("the newest is %d, want %d", s.Last(), seq)
				}
				first, _, found, err := s.First()
				if err != nil || found != (len(want) > 0) || (found && first.Seq != want[0]) {
					t.Fatalf("the first is %d (%v, %v), want of %v", first.Seq, found, err, want)
				}
			},
		})
	})
}

func TestAWriteThatIsCutOffLeavesNoTraceAndNoDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for seq := range uint64(3) {
		write(t, s, Record{Seq: seq + 1, Data: data(seq+1, 20)})
	}
	size := s.newest().size
	cut := encode(recordFrame, Record{Seq: 4, Data: data(4, 20)})
	s.Abandon()
	whole, err := os.ReadFile(s.newest().path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range frameHead + len(data(4, 20)) { // zeros follow, and are there already
		file := bytes.Clone(whole)
		copy(file[size:], cut[:n])
		if n%2 == 1 { // a file that grew by what was written
			file = file[:size+int64(n)]
		}
		if err := os.WriteFile(s.newest().path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if got := waiting(t, s); !slices.Equal(got, []uint64{1, 2, 3}) {
			t.Fatalf("cut after %d bytes: %v wait", n, got)
		}
		write(t, s, Record{Seq: 4, Data: data(4, 0)})
		s = again(t, s)
		if got := waiting(t, s); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
			t.Fatalf("cut after %d bytes, and written to: %v wait", n, got)
		}
		s.Abandon()
		for name, b := range map[string][]byte{s.newest().path: whole, s.cursorPath(): cursorBytes(t, mark{0, 3, 3})} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cursorBytes is the cursor file of a mark.
func cursorBytes(t testing.TB, m mark) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cursor")
	c, _, err := openCursor(path)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, cursorSize)
	err = c.write(m)
	if err == nil {
		_, err = c.file.ReadAt(b, 0)
	}
	if err := errors.Join(err, c.file.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnOlderCursorRepeatsAndLosesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, Record{Seq: 1, Data: data(1, 0)})
	write(t, s, Record{Seq: 2, Data: data(2, 0)})
	older, err := os.ReadFile(s.cursorPath())
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, Record{Seq: 3, Supersedes: 2, Data: data(3, 0)})
	if err := s.Done(1); err != nil {
		t.Fatal(err)
	}
	write(t, s, Record{Seq: 4, Data: data(4, 0)})
	if err := os.WriteFile(s.cursorPath(), older, 0o600); err != nil { // as a loss of power leaves it
		t.Fatal(err)
	}
	s = again(t, s)
	defer s.Abandon()
	if got := waiting(t, s); !slices.Equal(got, []uint64{1, 3, 4}) {
		t.Errorf("%v wait, want 1, 3 and 4", got)
	}
}

func TestASegmentGoesWhenNoneOfItsRecordsWaits(t *testing.T) {
	const each = segmentSize / 3 // three a segment, or two
	s := open(t, t.TempDir())
	defer func() { s.Abandon() }()
	write(t, s, Record{Seq: 1, Data: data(1, each)}) // waits all the time
	for seq := uint64(2); seq <= 30; seq++ {
		r := Record{Seq: seq, Data: data(seq, each)}
		if seq > 2 {
			r.Supersedes = seq - 1
		}
		write(t, s, r)
	}
	if n := len(s.segments); n > 3 {
		t.Errorf("%d segments hold two records that wait", n)
	}
	if n := s.Superseded(); n > 5 {
		t.Errorf("%d superseded records are remembered", n)
	}
	s = again(t, s)
	if got := waiting(t, s); !slices.Equal(got, []uint64{1, 30}) {
		t.Errorf("%v wait, want 1 and 30", got)
	}
	if err := s.Done(30); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(s.dir, "*.seg")); len(files) != 1 || err != nil {
		t.Errorf("with nothing that waits there are %v (%v)", files, err)
	}
	s = again(t, s)
	if s.Last() != 30 {
		t.Errorf("the newest sequence is %d, want 30", s.Last())
	}
}

func TestASegmentThatIsGoneOrCutIsDamage(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"gone": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, segmentSize/2) },
	} {
		s := open(t, t.TempDir())
		for seq := uint64(1); seq <= 10; seq++ {
			write(t, s, Record{Seq: seq, Data: data(seq, segmentSize/4)})
		}
		s.Abandon()
		if err := damage(s.segments[1].path); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(s.dir, "job-1"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: opened %v, %v", name, s, err)
		}
		var saved []uint64
		if err := Salvage(s.dir, "job-1", func(r Record) { saved = append(saved, r.Seq) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(saved) < 7 || saved[0] != 1 || saved[len(saved)-1] != 10 || !slices.IsSorted(saved) {
			t.Errorf("%s: saved %v", name, saved)
		}
	}
}

func TestASpoolOfAnotherOwnerIsNotReadOrSalvaged(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, Record{Seq: 1, Data: data(1, 0)})
	s.Abandon()
	if _, err := Open(s.dir, "job-2"); !errors.Is(err, ErrOwner) {
		t.Errorf("opening: %v, want ErrOwner", err)
	}
	if err := Salvage(s.dir, "job-2", func(r Record) { t.Errorf("salvaged %d", r.Seq) }); err != nil {
		t.Error(err)
	}
}

func TestAfterASyncThatFailedANewSegmentIsBegun(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Abandon()
	write(t, s, Record{Seq: 1, Data: data(1, 0)})
	s.tail.Load().failed.Store(true)
	write(t, s, Record{Seq: 2, Data: data(2, 0)})
	if len(s.segments) != 2 || s.tail.Load().failed.Load() {
		t.Errorf("it goes on in the file whose sync failed")
	}
	if got := waiting(t, s); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("%v wait", got)
	}
}

func TestWhatWasWrittenBesideASyncThatFailedIsNeverSaidToBeOnDisk(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Abandon()
	write(t, s, Record{Seq: 1, Data: data(1, 0)})
	s.tail.Load().failed.Store(true) // the sync of somebody else, which came before
	if s.Sync(1) == nil {
		t.Error("the next sync of the same file is believed")
	}
	write(t, s, Record{Seq: 2, Data: data(2, 0)})
	if s.Sync(1) == nil {
		t.Error("the sync of another file is taken for the one of the record's")
	}
	if err := s.Sync(2); err != nil {
		t.Errorf("the new file: %v", err)
	}
}

func TestAWriteThatFailsChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, Record{Seq: 5, Data: data(5, 0)})
	for name, r := range map[string]Record{
		"an older sequence": {Seq: 5},
		"too much":          {Seq: 6, Data: make([]byte, MaxData+1)},
	} {
		if _, err := s.Write(r); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	_ = s.tail.Load().file.Close()
	if _, err := s.Write(Record{Seq: 6, Data: data(6, 0)}); err == nil {
		t.Error("a record went into a closed file")
	}
	if s.Last() != 5 || s.Waiting() != 1 {
		t.Errorf("the newest is %d, %d wait", s.Last(), s.Waiting())
	}
	s.Abandon()
}

func TestOthersWriteWhileOneSyncs(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.Sync(1); err != nil {
					t.Errorf("syncing: %v", err)
				}
			}
		})
	}
	for seq := uint64(1); seq <= 40; seq++ {
		write(t, s, Record{Seq: seq, Data: data(seq, segmentSize/5)})
		if seq%3 == 0 {
			if err := s.Done(seq - 2); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
