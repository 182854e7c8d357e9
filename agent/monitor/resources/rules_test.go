package resources

import (
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

const gib = 1 << 30

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// judge feeds readings 10 s apart and returns the kinds that were warned about.
func judge(looks int, at func(i int) (reading, float64)) []warning {
	r := &rules{}
	var all []warning
	for i := range looks {
		look, progress := at(i)
		look.at = noon.Add(time.Duration(i) * 10 * time.Second)
		all = append(all, r.judge(look, progress, "/workspace")...)
	}
	return all
}

func kinds(all []warning) string {
	var names []string
	for _, w := range all {
		names = append(names, w.kind)
	}
	return strings.Join(names, " ")
}

func TestDiskWarnsBeforeItIsFull(t *testing.T) {
	cases := map[string]struct {
		free     func(i int) int64
		progress func(i int) float64
		want     string
	}{
		"steady": {func(int) int64 { return 50 * gib }, func(i int) float64 { return float64(i) }, ""},
		"grows, but the job is done first": {
			func(i int) int64 { return 50*gib - int64(i)*gib/10 }, func(i int) float64 { return float64(i) * 2 }, ""},
		"full before the job ends": {
			func(i int) int64 { return 30*gib - int64(i)*gib/2 }, func(i int) float64 { return 1 + float64(i)/10 }, "disk_rate"},
		"full within the hour, the job's end not known": {
			func(i int) int64 { return 30*gib - int64(i)*gib/2 }, func(int) float64 { return 0 }, "disk_rate"},
		"slow growth, the job's end not known": {
			func(i int) int64 { return 50*gib - int64(i)<<20 }, func(int) float64 { return 0 }, ""},
		"growth of bytes, which would be full after the end of time": {
			func(i int) int64 { return 50*gib - int64(i)*60 }, func(int) float64 { return 0 }, ""},
		"a checkpoint that comes and goes": {
			func(i int) int64 { return 20*gib - int64(i%3)*5*gib }, func(i int) float64 { return 1 + float64(i)/100 }, ""},
		"nearly full": {func(int) int64 { return gib }, func(int) float64 { return 0 }, "disk"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := judge(40, func(i int) (reading, float64) {
				return reading{disk: &host.Volume{Total: 100 * gib, Free: tc.free(i)}}, tc.progress(i)
			})
			if kinds(got) != tc.want {
				t.Errorf("warned about %q, want %q: %+v", kinds(got), tc.want, got)
			}
		})
	}
}

func TestShmTooSmallIsKnownAtTheStart(t *testing.T) {
	shm := contract.SystemEvidence{Shm: contract.VolumeEvidence{TotalBytes: 64 << 20, MinFreeBytes: 64 << 20}}
	o := Options{Framework: contract.FrameworkUltralytics, NumWorkers: 8, BatchSize: 16, ImageSize: 640}
	got := o.startWarnings(shm)
	if kinds(got) != "shm_start" || !strings.Contains(got[0].message, "has 64 MiB, but 8 workers with batches of 16 images of 640 pixels need about 300 MiB") ||
		got[0].data["fitting_workers"] != 1 {
		t.Errorf("%+v", got)
	}
	o.NumWorkers = 1
	if got := o.startWarnings(shm); len(got) != 0 {
		t.Errorf("one worker needs 37.5 MiB: %+v", got)
	}
	o.NumWorkers = 0
	if got := o.startWarnings(shm); len(got) != 0 {
		t.Errorf("no workers, no need: %+v", got)
	}
	o.NumWorkers = 8
	if got := o.startWarnings(contract.SystemEvidence{}); len(got) != 0 {
		t.Errorf("an unknown size is no small one: %+v", got)
	}
}

func TestShmNearlyFullWarns(t *testing.T) {
	got := judge(5, func(int) (reading, float64) { return reading{shm: &host.Volume{Total: 100, Free: 5}}, 0 })
	if kinds(got) != "shm" {
		t.Errorf("%+v", got)
	}
}

func TestOpenFilesOfTheChild(t *testing.T) {
	if got := limitWarnings(host.Limits{OpenFiles: 1024}, 8); kinds(got) != "open_files" {
		t.Errorf("%+v", got)
	}
	if got := limitWarnings(host.Limits{OpenFiles: 65536}, 8); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := limitWarnings(host.Limits{}, 8); len(got) != 0 {
		t.Errorf("limits that can't be read are no small ones: %+v", got)
	}
}

func TestAdviceOnWorkersIsOneThatCanBeFollowed(t *testing.T) {
	for fits, want := range map[int]string{0: "NUM_WORKERS=0", 1: "one worker", 3: "at most 3 workers"} {
		if got := fewer(fits); !strings.Contains(got, want) {
			t.Errorf("%d: %q", fits, got)
		}
	}
}
