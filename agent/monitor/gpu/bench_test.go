package gpu

import (
	"encoding/json"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// BenchmarkSampleLine is the agent's share of watching eight GPUs: one such line
// comes every ten seconds.
func BenchmarkSampleLine(b *testing.B) {
	m, err := New(Options{Start: startOS, ProbePath: "x"})
	if err != nil {
		b.Fatal(err)
	}
	hello, sample := contract.ProbeLine{Type: contract.ProbeHello}, contract.ProbeLine{Type: contract.ProbeSample}
	for i := range 8 {
		hello.GPUs = append(hello.GPUs, gpuNamed(i))
		s := gpuNamed(i)
		s.Util, s.TempC, s.PowerW, s.MemUsed, s.Throttle = ptr(90.0), ptr(70.0), ptr(400.0), ptr(int64(1<<30)), ptr(uint64(4))
		sample.GPUs = append(sample.GPUs, s)
	}
	m.accept(hello, noon)
	text, err := json.Marshal(sample)
	if err != nil {
		b.Fatal(err)
	}
	now := noon
	for b.Loop() {
		line, _ := decode(text)
		m.raise(m.accept(line, now))
		now = now.Add(10e9)
	}
}
