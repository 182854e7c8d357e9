package autoreport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a reporter at work on a folder, in virtual time.
type bench struct {
	*Reporter
	t       *testing.T
	dir     string
	sent    []contract.Heartbeat
	batches int
	fail    error
}

func newBench(t *testing.T, dir string, change func(*Options)) *bench {
	b := &bench{t: t, dir: dir}
	opts := Options{Dir: dir, Epochs: 4, Emit: b.emit}
	if change != nil {
		change(&opts)
	}
	var err error
	if b.Reporter, err = New(opts); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) emit(msgs []contract.Message) error {
	if b.fail != nil {
		return b.fail
	}
	b.batches++
	for _, m := range msgs {
		b.sent = append(b.sent, m.Payload.(contract.Heartbeat))
	}
	return nil
}

// work runs the reporter for a while.
func (b *bench) work(d time.Duration) {
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	if err := b.Run(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		b.t.Errorf("Run: %v", err)
	}
}

func (b *bench) write(path, text string) {
	b.t.Helper()
	path = filepath.Join(b.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) epochs() string {
	var s []string
	for _, h := range b.sent {
		s = append(s, fmt.Sprint(h.Epoch))
	}
	return strings.Join(s, " ")
}

func fixture(t *testing.T, name string) []string {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(string(b), "\n")
}
