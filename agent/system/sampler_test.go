package system

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSampleOfThisMachine(t *testing.T) {
	s, err := New(Options{Workspace: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Sample()
	t.Logf("%+v %+v %+v %+v", got.CPU, got.Memory, got.Disk, got.Shm)
	ev := s.Evidence()
	t.Logf("%+v", ev)
	if got.Memory == nil || got.Memory.LimitBytes <= 0 || got.Memory.UsedBytes <= 0 {
		t.Errorf("memory of this machine was not read: %+v", got.Memory)
	}
	if got.Disk == nil || got.Disk.TotalBytes <= 0 {
		t.Errorf("disk was not read: %+v", got.Disk)
	}
}
