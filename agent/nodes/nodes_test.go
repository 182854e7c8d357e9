package nodes

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(os.Exit))
}

// soon is a silence that a test waits for; never one that nothing must exceed.
const soon = 300 * time.Millisecond

func key() (string, error) { return "the-callback-token", nil }

func options(rank int, address string) Options {
	return Options{JobID: "job-1", Rank: rank, Nodes: 3, Host: "host-" + string(rune('a'+rank)), Address: address, Key: key, Timeout: time.Minute, Wait: time.Minute}
}

func lead(t *testing.T, change ...func(*Options)) *Leader {
	t.Helper()
	o := options(0, "127.0.0.1:0")
	for _, f := range change {
		f(&o)
	}
	l, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func join(t *testing.T, address string, rank int, change ...func(*Options)) *Member {
	t.Helper()
	m, err := tryJoin(t, address, rank, change...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tryJoin(t *testing.T, address string, rank int, change ...func(*Options)) (*Member, error) {
	t.Helper()
	o := options(rank, address)
	for _, f := range change {
		f(&o)
	}
	m, err := Join(t.Context(), o)
	if err == nil {
		t.Cleanup(m.Close)
	}
	return m, err
}

func within(d time.Duration) func(*Options) { return func(o *Options) { o.Timeout = d } }
func waiting(d time.Duration) func(*Options) {
	return func(o *Options) { o.Wait = d }
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not happen", what)
	}
}

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
					if changed, _, open = l.evidence(); open > 0 {
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
		if m.run != l.run {
			t.Errorf("the member joined run %q of %q", m.run, l.run)
		}
		m.Close()
		l.mu.Lock() // a new run for the next one
		n := l.nodes[1]
		for n.link != nil {
			changed := l.changed
			l.mu.Unlock()
			<-changed
			l.mu.Lock()
		}
		*n = node{rank: 1}
		l.mu.Unlock()
	}
	close(stop)
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
	_ = k.send(message{MAC: challenge.MAC}) // the leader's own proof sent back
	if m, err := k.receive(); err == nil {
		t.Errorf("the leader answers a stranger: %+v", m)
	}
	if list := l.Evidence(soon); !list[0].Absent {
		t.Errorf("%+v", list)
	}
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

func TestMemberOfAnEarlierRunIsRefused(t *testing.T) {
	l := lead(t)
	p := newProxy(t, l)
	m := join(t, p.address(), 1)
	p.swap(lead(t)) // the leader was started again at the same address
	p.cut()
	await(t, "trouble on the member", m.Trouble())
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

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"member":{"ready":true,"ended":true,"failure":{"code":"X"}}}`, `{"leader":{"go":true,"verdict":{"exit":75}}}`, `{"event":{"data":"e30="}}`, `{`, ``} {
		f.Add([]byte(s))
	}
	l := &Leader{opts: options(0, ""), nodes: map[int]*node{1: {rank: 1}}, changed: make(chan struct{}), trouble: make(chan struct{})}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := decode(line)
		if err == nil {
			l.take(l.nodes[1], m)
		}
	})
}

// proxy stands between a leader and its members and misbehaves on request.
type proxy struct {
	leader   *Leader
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	target string
	conns  []net.Conn
	frozen bool
}

func newProxy(t *testing.T, l *Leader) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{leader: l, listener: listener, target: l.Addr().String()}
	p.work.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			p.pass(in)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.work.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) pass(in net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = in.Close()
		return
	}
	p.conns = append(p.conns, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		p.work.Go(func() {
			defer func() { _, _ = pair[0].Close(), pair[1].Close() }()
			buf := make([]byte, 4<<10)
			for {
				n, err := pair[0].Read(buf)
				if err != nil {
					return
				}
				if !p.isFrozen() {
					if _, err := pair[1].Write(buf[:n]); err != nil {
						return
					}
				}
			}
		})
	}
}

// cut breaks every connection; new ones are taken.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// freeze swallows every byte from now on, as a network that is cut does.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

func (p *proxy) isFrozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

func (p *proxy) swap(l *Leader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leader, p.target = l, l.Addr().String()
}
