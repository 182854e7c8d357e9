package main_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// What keeps a training from others' sockets, files and calls is not in the way of its
// own processes: workers of a DataLoader, multiprocessing's servers, torchrun's ranks.
func TestProcessesOfATrainingExchangeMemory(t *testing.T) {
	j := newJob(t, "")
	j.command = []string{need.Python(t), filepath.Join(shared.root, "testdata", "trainers", "sharing.py")}
	j.with("OMP_NUM_THREADS", "1").mustExit(0)
	var worked []string
	for line := range strings.Lines(j.stdout.String() + j.stderr.String()) {
		if _, way, found := strings.Cut(line, "sharing: "); found {
			worked = append(worked, strings.TrimSpace(way))
		}
	}
	want := []string{"DataLoader file_descriptor", "DataLoader file_system", "Manager fork", "Manager spawn", "Manager forkserver", "torchrun gloo"}
	if !slices.Equal(worked, want) {
		t.Errorf("these worked: %v, want %v\n%s", worked, want, j.stderr.String())
	}
}
