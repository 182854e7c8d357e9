package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// redial is the pause between two tries to reach the leader.
const redial = time.Second

// find tries until the leader takes this node: its pod may not be there yet, or
// an earlier run of the job may still be ending.
func (m *Member) find(parent context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(parent, m.opts.Wait)
	defer cancel()
	var last error
	for {
		k, err := m.dial(ctx)
		if err == nil {
			return k, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if backoff.Wait(ctx, redial) == nil {
			continue
		}
		if parent.Err() != nil {
			return nil, context.Cause(parent)
		}
		return nil, contract.Failf(contract.CodeNodeLost, "node 0 did not answer at %s within %s: %w.", m.opts.Address, m.opts.Wait, last).
			WithHint("Check that node 0 runs, MASTER_ADDR, and that port %s is open between the machines.", port(m.opts.Address))
	}
}

func port(address string) string {
	if _, p, err := net.SplitHostPort(address); err == nil {
		return p
	}
	return address
}

// dial makes one try.
func (m *Member) dial(ctx context.Context) (*link, error) {
	dialer := net.Dialer{Timeout: min(handshakeTimeout, m.opts.Timeout)}
	conn, err := dialer.DialContext(ctx, "tcp", m.opts.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, crew.Guarded(func() { _ = conn.Close() }))
	defer stop()
	k := newLink(conn, min(handshakeTimeout, m.opts.Timeout))
	run, err := m.opts.introduce(k, m.run)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	k.trust()
	k.timeout, m.run = m.opts.Timeout, run
	return k, nil
}

// again reaches the leader once more within the timeout; a refusal is final.
func (m *Member) again(parent context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(parent, m.opts.Timeout)
	defer cancel()
	for {
		k, err := m.dial(ctx)
		if err == nil || errors.Is(err, errRefused) {
			return k, err
		}
		if backoff.Wait(ctx, min(redial, m.opts.beat())) != nil {
			return nil, fmt.Errorf("the link is broken for %s: %w", m.opts.Timeout, err)
		}
	}
}
