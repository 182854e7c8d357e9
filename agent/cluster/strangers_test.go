package cluster

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/siege"
)

func TestWhoHasNoTokenKeepsNoMachineOut(t *testing.T) {
	l := lead(t)
	defer siege.Lay(t, l.Addr().String(), "{", 600)()
	first, second := join(t, l.Addr().String(), 1), join(t, l.Addr().String(), 2)
	var group sync.WaitGroup
	for _, m := range []*Member{first, second} {
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
}

func TestStrangersFillNoLog(t *testing.T) {
	var b strings.Builder
	s := &strangers{log: slog.New(slog.NewTextHandler(&b, nil))}
	now, from := time.Unix(1000, 0), &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}
	for range 140 {
		s.note(now, from, errors.New("half a hello"))
	}
	s.crowd()
	s.tell(now.Add(saidEvery))
	s.tell(now.Add(3 * saidEvery))
	if n := strings.Count(b.String(), "\n"); n != 2 || !strings.Contains(b.String(), "crowded") || !strings.Contains(b.String(), "connections=139 last_from=10.0.0.1:5") {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}

func TestAMachineThatNeverCameToACrowdedPortIsExcused(t *testing.T) {
	s := &strangers{}
	list := []contract.NodeEvidence{{Rank: 1}, {Rank: 2, Absent: true}}
	if s.excuse(list); list[1].Crowded {
		t.Error("the port was not crowded")
	}
	s.crowd()
	if s.excuse(list); list[0].Crowded || !list[1].Crowded {
		t.Errorf("%+v", list)
	}
}

func TestAStrangerSaysLittle(t *testing.T) {
	here, there := net.Pipe()
	stranger, leader := newLink(here, time.Minute), newLink(there, time.Minute)
	defer stranger.close()
	var group sync.WaitGroup
	group.Go(func() {
		defer leader.close()
		if _, err := options(0, "").greet(leader); err == nil {
			t.Error("a hello of 100 KiB was read")
		}
	})
	_ = stranger.send(message{Job: strings.Repeat("x", 100<<10)})
	group.Wait()
	if n := leader.bound.N; n != 0 {
		t.Errorf("%d bytes of the handshake are left", n)
	}
}
