package cluster

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/crowd"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	maxStrangers = 512
	// patience is what a connection has for its handshake while others want its place: more
	// than two round trips between machines that train together.
	patience = 250 * time.Millisecond
	// saidEvery is the pause between two lines about strangers.
	saidEvery = 10 * time.Second
)

// strangers is what the leader knows of connections that did not prove the token.
type strangers struct {
	log *slog.Logger

	mu      sync.Mutex
	crowded bool // some have had to make way
	said    time.Time
	unsaid  int // since then
	from    string
	err     error // of the last
}

// behind bounds the strangers at the leader's port. One address has a share that all
// machines of the job behind one translator of addresses find room in.
func (s *strangers) behind(listener net.Listener, nodes int) net.Listener {
	share := 2*nodes + 128
	return crowd.New(listener, crowd.Options{
		Strangers: maxStrangers + share, PerSource: share, Known: 2*nodes + 16, Patience: patience, Crowded: func(net.Addr) { s.crowd() },
	})
}

func (s *strangers) crowd() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crowded = true
}

// note counts a connection that came to nothing, and says so when the last line is long
// enough ago: a port that is scanned fills no log.
func (s *strangers) note(now time.Time, from net.Addr, err error) {
	s.mu.Lock()
	s.unsaid++
	s.from, s.err = from.String(), err
	s.mu.Unlock()
	s.tell(now)
}

// tell says what was not said yet.
func (s *strangers) tell(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaid == 0 || now.Sub(s.said) < saidEvery {
		return
	}
	text := "connections to the port of the job's machines came to nothing"
	if s.crowded {
		text = "the port of the job's machines is crowded by connections that do not prove the token: close AGENT_NODE_PORT to other machines"
	}
	s.log.Warn(text, "connections", s.unsaid, "last_from", s.from, "error", s.err)
	s.said, s.unsaid = now, 0
}

// excuse marks the machines that may not have come because the port was crowded.
func (s *strangers) excuse(list []contract.NodeEvidence) []contract.NodeEvidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		list[i].Crowded = s.crowded && list[i].Absent
	}
	return list
}
