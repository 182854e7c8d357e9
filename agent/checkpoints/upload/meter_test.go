package upload

import (
	"bytes"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
)

func TestProgressCountsEveryByteOnce(t *testing.T) {
	body := samples.Noise(3<<20+17, 1)
	m := NewMeter(NewTotals(time.Now), "last.pt", int64(len(body)))
	r := newBody(t.Context(), bytes.NewReader(body), m.total, m)
	part := make([]byte, 1<<20)
	for range 3 { // hash, wire, retry
		for at := int64(0); at < m.total; at += int64(len(part)) / 2 {
			_, _ = r.ReadAt(part[:len(part)/2], at)
		}
	}
	if got := m.Transfer(); got.BytesDone != m.total {
		t.Errorf("%d of %d bytes counted", got.BytesDone, m.total)
	}
}
