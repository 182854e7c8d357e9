package output

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that blocks until it is opened.
type gate struct {
	open chan struct{}
	got  bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	return g.got.Write(b)
}

func TestQueueWaitsOnceForAStandingWriterAndNamesWhatItDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := NewQueue(g, 10)
		began := time.Now()
		for range 100 { // returns although nobody reads
			if _, err := q.Write([]byte("12345")); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited != patience {
			t.Errorf("the child waited %s in all, want %s", waited, patience)
		}
		lost := q.Dropped()
		if lost < 400 {
			t.Errorf("dropped %d of 500 bytes, but the bound is 10", lost)
		}
		close(g.open)
		if err := q.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := g.got.String(); !strings.Contains(got, "bytes of output dropped") || !strings.HasPrefix(got, "12345") {
			t.Errorf("got %q", got)
		}
	})
}

// slow takes a piece in half the time that a Queue is patient.
type slow struct{ bytes.Buffer }

func (s *slow) Write(b []byte) (int, error) {
	<-time.After(patience / 2)
	return s.Buffer.Write(b)
}

func TestQueueLosesNothingToASlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		q := NewQueue(s, 4*piece)
		want := bytes.Repeat([]byte("0123456789abcdef"), 4*piece)
		for part := range slices.Chunk(want, 1000) {
			_, _ = q.Write(part)
		}
		if err := q.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.Bytes(), want) {
			t.Errorf("%d bytes of %d arrived, %d dropped", s.Len(), len(want), q.Dropped())
		}
	})
}

func TestQueueKeepsBytesAndOrder(t *testing.T) {
	var got bytes.Buffer
	q := NewQueue(&got, 0)
	var want bytes.Buffer
	for i := range 1000 {
		piece := bytes.Repeat([]byte{byte(i)}, i%7)
		want.Write(piece)
		_, _ = q.Write(piece)
	}
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("bytes differ")
	}
}

func TestQueueCloseIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := NewQueue(g, 0)
		_, _ = q.Write([]byte("x"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(g.open)
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestQueueReportsTheWritersError(t *testing.T) {
	q := NewQueue(broken{}, 0)
	_, _ = q.Write([]byte("x"))
	if err := q.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	if q.Dropped() != 1 {
		t.Errorf("dropped %d bytes, want 1", q.Dropped())
	}
}
