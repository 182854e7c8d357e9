// Package siege holds connections to a port as somebody does who has no token: it says
// the beginning of a message on each, and connects again where one is closed. It promises
// that all of them are there when it begins and gone when it is lifted. It is for tests only.
package siege

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// spare are the files that a test has open beside the connections, both ends of which are its own.
const spare = 512

// Lay holds so many connections, each of which says no more than its beginning.
func Lay(t *testing.T, address, beginning string, connections int) (lift func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(2*connections+spare) {
		need.Missing(t, "%d open files (ulimit -n is %d): %v", 2*connections+spare, limit.Cur, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var first, held sync.WaitGroup
	first.Add(connections)
	for range connections {
		held.Go(func() {
			for once := sync.OnceFunc(first.Done); ctx.Err() == nil; once() {
				hold(ctx, address, beginning)
			}
		})
	}
	first.Wait()
	return func() { cancel(); held.Wait() }
}

// hold returns when the other end closes the connection.
func hold(ctx context.Context, address, beginning string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close() //nolint:errcheck // a stranger's
	_, _ = io.WriteString(conn, beginning)
	_, _ = io.Copy(io.Discard, conn)
}
