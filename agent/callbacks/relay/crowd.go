package relay

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/crowd"
)

// Every process of the machine can connect to a port of loopback, and who it is cannot be
// seen there: until a request shows the token its connection is a stranger's.
const (
	maxStrangers = 256
	// patience is what a connection has for its header while others want its place. A
	// script's header comes with its connection, or waits for it in the kernel.
	patience = 100 * time.Millisecond
)

// open keeps the child's connections apart from those of strangers.
func (r *Relay) open(listener net.Listener) net.Listener {
	return crowd.New(listener, crowd.Options{Strangers: maxStrangers, Known: maxConnections, Patience: patience, Crowded: func(net.Addr) {
		if !r.crowded.Swap(true) {
			r.log.Warn("connections without the token of this run crowd the relay: reports of the training may be lost; look for the process of this machine that connects to it",
				"relay", r.url, "connections", maxStrangers)
		}
	}})
}

// Crowded reports whether so many connections without the token were open that some had to
// make way: messages of the child may be lost.
func (r *Relay) Crowded() bool { return r.crowded.Load() }

// connKey is a request's connection in its context.
type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// letIn keeps the connection of a request with the token from making way for strangers.
// More than maxConnections of the child are answered like the others.
func letIn(req *http.Request) {
	if conn, ok := req.Context().Value(connKey{}).(*crowd.Conn); ok {
		conn.LetIn()
	}
}
