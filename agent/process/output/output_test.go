package output

import (
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cuts writes b to w in pieces of drawn sizes.
func cuts(t *rapid.T, b []byte, write func([]byte)) {
	for len(b) > 0 {
		n := rapid.IntRange(1, len(b)).Draw(t, "piece")
		write(b[:n])
		b = b[n:]
	}
}
