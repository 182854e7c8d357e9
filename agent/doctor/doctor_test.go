package doctor

import (
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestDoctorGradesWhatItSees(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		what string
		got  Finding
		want Grade
	}{
		{"a backend that refuses nonsense", backendSays(422, time.Second), Green},
		{"a refused token", backendSays(401, time.Second), Red},
		{"no such path", backendSays(404, time.Second), Yellow},
		{"a backend in trouble", backendSays(503, time.Second), Yellow},
		{"a clock that agrees", clockAgainst(now, now.Add(time.Second)), Green},
		{"a clock that drifts", clockAgainst(now, now.Add(-time.Minute)), Yellow},
		{"a clock that the store refuses", clockAgainst(now, now.Add(20*time.Minute)), Red},
		{"no Landlock", isolation(0), Yellow},
		{"Landlock without signals", isolation(5), Yellow},
		{"Landlock", isolation(7), Green},
		{"a worker a core", cores(4, 4), Green},
		{"many workers on half a core", cores(0.5, 4), Yellow},
	} {
		if c.got.Grade != c.want || (c.got.Fix == "") != (c.want == Green) {
			t.Errorf("%s: %+v", c.what, c.got)
		}
	}
	names := gpuNames([]contract.ProbeGPU{{Name: "NVIDIA H100"}, {Name: "NVIDIA H100"}, {}})
	if names != "1 × GPU, 2 × NVIDIA H100" {
		t.Error(names)
	}
}
