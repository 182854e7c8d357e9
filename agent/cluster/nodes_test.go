package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestNodesStartTogetherAndEndWithOneVerdict(t *testing.T) {
	l := lead(t)
	var members []*Member
	var group sync.WaitGroup
	for rank := 1; rank <= 2; rank++ {
		m := join(t, l.Addr().String(), rank)
		members = append(members, m)
		group.Go(func() {
			if err := m.Assemble(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	if err := l.Assemble(t.Context()); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	for _, m := range members {
		m.Ended(nil)
	}
	for _, e := range l.Evidence(time.Minute) {
		if e.Lost || e.Absent || e.Failure != nil || !strings.HasPrefix(e.Host, "host-") {
			t.Errorf("%+v", e)
		}
	}
	group.Go(func() { l.End(Verdict{Exit: 0}) })
	for _, m := range members {
		if v := m.Verdict(t.Context()); v == nil || v.Exit != 0 {
			t.Errorf("verdict %+v", v)
		}
	}
	group.Wait()
}

func TestNobodyStartsBeforeAllArePrepared(t *testing.T) {
	l := lead(t)
	first := join(t, l.Addr().String(), 1)
	join(t, l.Addr().String(), 2)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := first.Assemble(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node started alone: %v", err)
	}
}

func TestFailureOfOneNodeIsKnownToAll(t *testing.T) {
	l := lead(t)
	a, b := join(t, l.Addr().String(), 1), join(t, l.Addr().String(), 2)
	a.Ended(contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory."))
	await(t, "trouble on the leader", l.Trouble())
	l.Stop()
	await(t, "trouble on the other node", b.Trouble())
	list := l.Evidence(soon)
	if len(list) != 2 || list[0].Failure == nil || list[0].Failure.Code != contract.CodeCUDAOOM || list[1].Failure != nil || list[1].Lost {
		t.Errorf("%+v", list)
	}
	var group sync.WaitGroup
	group.Go(func() { l.End(Verdict{Exit: 1, Failure: list[0].Failure}) })
	if v := b.Verdict(t.Context()); v == nil || v.Exit != 1 || v.Failure.Code != contract.CodeCUDAOOM {
		t.Errorf("%+v", v)
	}
	group.Wait()
}

func TestEventsArriveInOrder(t *testing.T) {
	got := make(chan string, 3)
	l := lead(t, func(o *Options) { o.OnEvent = func(rank int, e Event) { got <- e.Message } })
	m := join(t, l.Addr().String(), 1)
	want := []string{"a", "b", "c"}
	for _, text := range want {
		m.Tell(Event{Type: contract.EventGPUError, Message: text, Data: []byte(`{}`)})
	}
	var list []string
	for range want {
		list = append(list, <-got)
	}
	if !slices.Equal(list, want) {
		t.Errorf("%v", list)
	}
}
