package resources

import "testing"

// BenchmarkSample is the cost of one look at the container, every ten seconds.
func BenchmarkSample(b *testing.B) {
	s, err := New(Options{Workspace: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Sample()
	}
}
