package cluster

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestNodeThatVanishesIsLost(t *testing.T) {
	l := lead(t, within(soon))
	m := join(t, l.Addr().String(), 1, within(soon))
	m.Close() // as a kill does: the connection ends without a word
	await(t, "trouble on the leader", l.Trouble())
	if list := l.Evidence(soon); !list[0].Lost || !list[1].Absent {
		t.Errorf("%+v", list)
	}
}

func TestLeaderThatVanishesIsLost(t *testing.T) {
	l := lead(t)
	m := join(t, l.Addr().String(), 1, within(soon))
	l.Close()
	await(t, "trouble on the member", m.Trouble())
	if v := m.Verdict(t.Context()); v != nil || !m.Evidence()[0].Lost {
		t.Errorf("%+v %+v", v, m.Evidence())
	}
}

func TestSilentNetworkLosesBothEnds(t *testing.T) {
	p := newProxy(t, lead(t, within(soon)))
	m := join(t, p.address(), 1, within(soon))
	p.freeze()
	await(t, "trouble on the leader", p.leader.Trouble())
	await(t, "trouble on the member", m.Trouble())
}

func TestLinkThatComesBackHasLostNothing(t *testing.T) {
	var mu sync.Mutex
	var told []string
	l := lead(t, func(o *Options) {
		o.OnEvent = func(rank int, e Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Message)
		}
	})
	p := newProxy(t, l)
	m := join(t, p.address(), 1, func(o *Options) { o.Timeout, o.Wait = 30*time.Second, time.Minute })
	p.cut()
	m.Tell(Event{Type: contract.EventGPUWarning, Message: "hot", Data: []byte(`{}`)})
	m.Ended(contract.Failf(contract.CodeNaNLoss, "The loss is NaN."))
	await(t, "trouble on the leader", l.Trouble())
	if list := l.Evidence(soon); list[0].Lost || list[0].Failure.Code != contract.CodeNaNLoss {
		t.Errorf("%+v", list)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) > 1 || (len(told) == 1 && told[0] != "hot") { // one on its way when a link breaks may be lost
		t.Errorf("%v", told)
	}
}

func TestMemberThatHasEndedComesBackForTheVerdict(t *testing.T) {
	for name, stop := range map[string]bool{"it ended": false, "it was told to stop": true} {
		t.Run(name, func(t *testing.T) {
			l := lead(t)
			p := newProxy(t, l)
			m := join(t, p.address(), 1)
			if stop {
				l.Stop()
				await(t, "the stop", m.Trouble())
			} else {
				m.Ended(nil)
				for open := 1; open > 0; {
					var changed <-chan struct{}
					if changed, _, open = l.members.evidence(); open > 0 {
						await(t, "the member's end", changed)
					}
				}
			}
			p.cut()
			var group sync.WaitGroup
			group.Go(func() { l.say(func(s *leaderState) { s.Stop, s.Verdict = true, &Verdict{Exit: contract.ExitInfra} }) })
			if v := m.Verdict(t.Context()); v == nil || v.Exit != contract.ExitInfra {
				t.Errorf("verdict %+v, evidence %+v", v, m.Evidence())
			}
			group.Wait()
		})
	}
}

func TestNodeThatNeverComes(t *testing.T) {
	l := lead(t, waiting(soon))
	join(t, l.Addr().String(), 1)
	err := l.Assemble(t.Context())
	if err == nil {
		t.Fatal("the leader starts without node 2")
	}
	await(t, "trouble on the leader", l.Trouble())
	if list := l.Evidence(soon); list[0].Absent || !list[1].Absent {
		t.Errorf("%+v", list)
	}
	if _, err := tryJoin(t, "127.0.0.1:1", 1, waiting(soon)); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}
