package spool

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

func FuzzDecode(f *testing.F) {
	f.Add(Encode(Record{Seq: 7, Supersedes: 3, Data: []byte("data")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("the error %v is not ErrDamaged", err)
			}
			return
		}
		if again := Encode(r); !bytes.HasPrefix(b, again) {
			t.Errorf("%+v is encoded as %x, not as %x", r, again, b)
		}
	})
}

func FuzzSegment(f *testing.F) {
	whole := append(encode(segmentFrame, Record{Seq: 1, Data: []byte("job-1")}), Encode(Record{Seq: 1, Data: data(1, 9)})...)
	whole = append(whole, Encode(Record{Seq: 2, Supersedes: 1, Data: data(2, 9)})...)
	f.Add(whole)
	cursor := cursorBytes(f, mark{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile((&Spool{dir: dir}).cursorPath(), cursor, 0o600), os.WriteFile(segmentPath(dir, 1), b, 0o600)); err != nil {
			t.Fatal(err)
		}
		newest := uint64(0)
		if err := Salvage(dir, "job-1", func(r Record) {
			if r.Seq <= newest {
				t.Errorf("%d follows %d", r.Seq, newest)
			}
			newest = r.Seq
		}); err != nil {
			t.Errorf("salvaging: %v", err)
		}
		s, err := Open(dir, "job-1")
		if err != nil {
			return
		}
		defer s.Abandon()
		last := s.Last()
		if _, err := s.Write(Record{Seq: last + 1, Data: data(last+1, 0)}); err != nil && last+1 > last {
			t.Errorf("writing after %d: %v", last, err)
		}
	})
}
