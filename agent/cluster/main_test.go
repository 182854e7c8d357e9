package cluster

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
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
