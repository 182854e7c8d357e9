package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxMessage bounds one line, bytes: a failure with its evidence has some 20 KiB.
const maxMessage = 256 << 10

// maxHandshake bounds all that a stranger may say, bytes.
const maxHandshake = 8 << 10

// message is one JSON line. A hello, a challenge, the member's proof, the leader's and a
// welcome or a refusal open the link; then each end sends its state and the member events.
type message struct {
	// Handshake.
	Job     string `json:"job,omitempty"`
	Rank    int    `json:"rank,omitempty"`
	Host    string `json:"host,omitempty"`
	Run     string `json:"run,omitempty"` // of the leader; a member that joined brings it back
	Nonce   string `json:"nonce,omitempty"`
	MAC     string `json:"mac,omitempty"`
	Refused string `json:"refused,omitempty"`

	Leader *leaderState `json:"leader,omitempty"`
	Member *memberState `json:"member,omitempty"`
	Event  *Event       `json:"event,omitempty"`
}

// leaderState is all that a leader says.
type leaderState struct {
	Go      bool     `json:"go"`   // every node is prepared: start the child
	Stop    bool     `json:"stop"` // the job is over: stop the child
	Verdict *Verdict `json:"verdict,omitempty"`
}

// memberState is all that a member says, but for events.
type memberState struct {
	Ready   bool              `json:"ready"` // prepared
	Ended   bool              `json:"ended"`
	Failure *contract.Failure `json:"failure,omitempty"`
}

// link is one connection with a bound on every wait.
type link struct {
	conn    net.Conn
	timeout time.Duration // changed by who reads, under mu
	in      *bufio.Scanner
	bound   *io.LimitedReader // below in

	mu sync.Mutex // of writes
}

func newLink(conn net.Conn, timeout time.Duration) *link {
	bound := &io.LimitedReader{R: conn, N: maxHandshake}
	in := bufio.NewScanner(bound)
	in.Buffer(make([]byte, 0, 4<<10), maxMessage)
	return &link{conn: conn, timeout: timeout, in: in, bound: bound}
}

// trust lets the other end, which has proved itself, say as much as it likes. It is for
// who reads.
func (l *link) trust() { l.bound.N = math.MaxInt64 }

func (l *link) send(m message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(m)
}

// write is send for who holds the lock.
func (l *link) write(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if len(b) >= maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(b))
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.timeout)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(b, '\n'))
	return err
}

// receive waits for the next line, no longer than the timeout.
func (l *link) receive() (m message, err error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(l.timeout)); err != nil {
		return m, err
	}
	if !l.in.Scan() {
		if err := l.in.Err(); err != nil {
			return m, fmt.Errorf("reading from the other node: %w", err)
		}
		return m, net.ErrClosed
	}
	return decode(l.in.Bytes())
}

func decode(line []byte) (m message, err error) {
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("reading from the other node: %w", err)
	}
	return m, nil
}

func (l *link) close() { _ = l.conn.Close() }
