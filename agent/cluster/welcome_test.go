package cluster

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestNothingComesBeforeTheWelcome(t *testing.T) {
	l := lead(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				l.broadcast()
			}
		}
	})
	for range 200 {
		m := join(t, l.Addr().String(), 1)
		if m.run != l.members.run {
			t.Errorf("the member joined run %q of %q", m.run, l.members.run)
		}
		m.Close()
		l.members.mu.Lock() // a new run for the next one
		n := l.members.nodes[1]
		for n.link != nil {
			changed := l.members.changed
			l.members.mu.Unlock()
			<-changed
			l.members.mu.Lock()
		}
		*n = node{rank: 1}
		l.members.mu.Unlock()
	}
	close(stop)
	group.Wait()
}

func TestStrangersAreRefusedByBothEnds(t *testing.T) {
	l := lead(t)
	other := func(o *Options) { o.Key = func() (string, error) { return "another-token", nil }; o.Wait = soon }
	if _, err := tryJoin(t, l.Addr().String(), 1, other); err == nil {
		t.Error("a member took a leader that does not know its token")
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	k := newLink(conn, time.Minute)
	defer k.close()
	if err := k.send(message{Job: "job-1", Rank: 1, Nonce: newNonce()}); err != nil {
		t.Fatal(err)
	}
	challenge, err := k.receive()
	if err != nil {
		t.Fatal(err)
	}
	if challenge.MAC != "" {
		t.Error("the leader proves itself to a stranger, who can try tokens on that")
	}
	_ = k.send(message{MAC: challenge.Nonce})
	if m, err := k.receive(); err == nil {
		t.Errorf("the leader answers a stranger: %+v", m)
	}
	if list := l.Evidence(soon); !list[0].Absent {
		t.Errorf("%+v", list)
	}
}

// An impostor in the leader's place has nothing but what the member says.
func TestAMemberIsNotDeceivedByItsOwnProof(t *testing.T) {
	here, there := net.Pipe()
	impostor, member := newLink(here, time.Minute), newLink(there, time.Minute)
	defer impostor.close()
	defer member.close()
	var group sync.WaitGroup
	group.Go(func() {
		_, _ = impostor.receive()
		_ = impostor.send(message{Nonce: newNonce()})
		proof, _ := impostor.receive()
		_ = impostor.send(message{MAC: proof.MAC})
	})
	if _, err := options(1, "").introduce(member, ""); !errors.Is(err, errStranger) {
		t.Errorf("%v", err)
	}
	group.Wait()
}

func TestAProofHoldsForOneHelloAndOneChallenge(t *testing.T) {
	o := options(1, "")
	hello := message{Job: "job-1", Rank: 1, Host: "host-b", Run: "r", Nonce: "n"}
	first, err := o.proof("member", hello, "c")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*message, *string, *string){
		"another side": func(_ *message, side, _ *string) { *side = "leader" }, "another challenge": func(_ *message, _, c *string) { *c = "d" },
		"another job": func(m *message, _, _ *string) { m.Job = "job-2" }, "another rank": func(m *message, _, _ *string) { m.Rank = 2 },
		"another host": func(m *message, _, _ *string) { m.Host = "host-c" }, "another run": func(m *message, _, _ *string) { m.Run = "s" },
		"another nonce": func(m *message, _, _ *string) { m.Nonce = "o" },
	} {
		m, side, challenge := hello, "member", "c"
		change(&m, &side, &challenge)
		if again, err := o.proof(side, m, challenge); err != nil || again == first {
			t.Errorf("%s: the same proof, %v", name, err)
		}
	}
}

func TestTheLeaderSaysNothingToAnotherJob(t *testing.T) {
	here, there := net.Pipe()
	stranger, leader := newLink(here, time.Minute), newLink(there, time.Minute)
	var group sync.WaitGroup
	group.Go(func() {
		defer leader.close()
		if _, err := options(0, "").greet(leader); !errors.Is(err, errOtherJob) {
			t.Errorf("%v", err)
		}
	})
	_ = stranger.send(message{Job: "job-2", Rank: 1, Nonce: newNonce()})
	if m, err := stranger.receive(); err == nil {
		t.Errorf("it says %+v", m)
	}
	stranger.close()
	group.Wait()
}

func TestNodeOfAnotherJobIsRefused(t *testing.T) {
	l := lead(t)
	_, err := tryJoin(t, l.Addr().String(), 1, func(o *Options) { o.JobID, o.Wait = "job-2", soon })
	if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeNodeLost || f.Hint == "" {
		t.Errorf("%v", err)
	}
}

func TestSecondNodeOfTheSameNumber(t *testing.T) {
	l := lead(t, within(time.Minute))
	first := join(t, l.Addr().String(), 1)
	if _, err := tryJoin(t, l.Addr().String(), 1, waiting(soon)); err == nil || !strings.Contains(err.Error(), "another machine has this number") {
		t.Errorf("%v", err)
	}
	first.Close()
	// Its replacement is the proof that the first is gone, long before the timeout.
	var group sync.WaitGroup
	group.Go(func() {
		_, err := tryJoin(t, l.Addr().String(), 1, waiting(3*time.Second))
		if err == nil {
			t.Error("the replacement joined a run that had begun without it")
		}
	})
	await(t, "trouble on the leader", l.Trouble())
	group.Wait()
}

// A dataset that cannot be used ends node 0 before the others have come.
func TestMemberThatComesLateGetsTheVerdict(t *testing.T) {
	l := lead(t)
	var group sync.WaitGroup
	group.Go(func() {
		l.End(Verdict{Exit: contract.ExitFailed, Failure: contract.Failf(contract.CodeDatasetInvalid, "No polygons.")})
	})
	m := join(t, l.Addr().String(), 1)
	if v := m.Verdict(t.Context()); v == nil || v.Exit != contract.ExitFailed || v.Failure.Code != contract.CodeDatasetInvalid {
		t.Errorf("%+v", v)
	}
	group.Wait()
}

func TestMemberOfTheNextRunWaitsForItsLeader(t *testing.T) {
	l := lead(t)
	l.End(Verdict{Exit: contract.ExitInfra, Failure: contract.Failf(contract.CodeGPULost, "The GPU is lost.")})
	if _, err := tryJoin(t, l.Addr().String(), 1, waiting(soon)); err == nil || !strings.Contains(err.Error(), "this run of the job is over") {
		t.Errorf("%v", err)
	}
}

// Node 0 was killed between its success and its last word, and started again: it
// has only that word to say, to those of the run that are still there.
func TestMemberOfAnEarlierRunHearsTheFinalVerdict(t *testing.T) {
	l := lead(t)
	address := l.Addr().String()
	m := join(t, address, 1)
	m.Ended(nil)
	l.Close()
	if err := Announce(t.Context(), options(0, address), Verdict{Exit: contract.ExitOK}); err != nil {
		t.Fatal(err)
	}
	if v := m.Verdict(t.Context()); v == nil || v.Exit != contract.ExitOK || v.Failure != nil {
		t.Errorf("%+v", v)
	}
}

func TestMemberOfAnEarlierRunIsRefused(t *testing.T) {
	l := lead(t)
	p := newProxy(t, l)
	m := join(t, p.address(), 1)
	p.swap(lead(t)) // the leader was started again at the same address
	p.cut()
	await(t, "trouble on the member", m.Trouble())
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"member":{"ready":true,"ended":true,"failure":{"code":"X"}}}`, `{"leader":{"go":true,"verdict":{"exit":75}}}`, `{"event":{"data":"e30="}}`, `{`, ``} {
		f.Add([]byte(s))
	}
	r := newRoster(options(0, ""), leaderState{})
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := decode(line)
		if err == nil {
			r.take(r.nodes[1], m)
		}
	})
}
