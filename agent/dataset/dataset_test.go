package dataset

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestDatasetsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		says string
	}{
		"key that leads outside": {[]string{"images/../../../etc/cron.d/x"}, "leads out of the dataset"},
		"file and folder":        {[]string{"images", "images/a.jpg"}, "both as a file and as a folder"},
		"two spellings":          {[]string{"images/a.jpg", "images//a.jpg"}, "two objects for the file images/a.jpg"},
	} {
		b := &bucket{objects: map[string][]byte{}}
		for _, key := range c.keys {
			b.objects["datasets/d1/"+key] = []byte("x")
		}
		_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir()})
		f, ok := errors.AsType[*contract.Failure](err)
		if !ok || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Line(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrappingFolderIsLookedThrough(t *testing.T) {
	b := zipBucket(t, files{"my set/v1/annotations.json": "{}", "my set/v1/images/a.jpg": "a", "__MACOSX/my set/._v1": "junk"})
	d := fetch(t, b, Request{})
	wantTree(t, d.Dir, files{"annotations.json": "{}", "images/a.jpg": "a"})
	if d.Junk != 1 {
		t.Errorf("%d entries left out", d.Junk)
	}
}

func TestSnapshotThatIsNotThereOnlyLabelsTheJob(t *testing.T) {
	d := fetch(t, zipBucket(t, shapes()), Request{SnapshotID: "job-1"})
	if d.AnnotationsPath != "" || d.MissingCount != 0 {
		t.Errorf("%+v", d)
	}
}

// A desk has no bucket: that the frozen annotations are not used is said.
func TestASnapshotWithoutABucketIsSaid(t *testing.T) {
	var log strings.Builder
	d := fetch(t, nil, Request{LocalPath: t.TempDir(), SnapshotID: "s1", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if d.AnnotationsPath != "" || !strings.Contains(log.String(), "SNAPSHOT_ID is not followed") {
		t.Errorf("%+v, log %q", d, log.String())
	}
}

func TestSnapshotThatIsNoJSONIsRefused(t *testing.T) {
	b := zipBucket(t, shapes())
	b.objects["datasets/d1/snapshots/job-1.json"] = []byte("<html>")
	_, err := Fetch(t.Context(), b, Request{ID: "d1", SnapshotID: "job-1", Dir: t.TempDir()})
	if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeDatasetInvalid {
		t.Errorf("error %v", err)
	}
}

// The converter reads all of these; a job with a snapshot must too.
func TestASnapshotIsReadAsTheConverterReadsIt(t *testing.T) {
	list := `{"classes":[{"id":0,"name":"c"}],"images":[{"id":1,"file_name":"images\\\\a.jpg","width":NaN},{"id":2,"file_name":7},{"id":3,"file_name":"Cafe\u0301.JPG"},{"id":4,"file_name":"gone.jpg"}]}`
	for name, snapshot := range map[string]string{
		"the platform's shape": `{"snapshot_id":"s1","created_at":"2026-01-01T00:00:00Z","annotations":` + list + `}`,
		"a byte-order mark":    "\ufeff" + list,
	} {
		b := zipBucket(t, files{"annotations.json": list, "images/a.jpg": "a", "images/7": "b", "images/Caf\u00e9.jpg": "c", "images/.DS_Store": "junk"})
		b.objects["datasets/d1/snapshots/s1.json"] = []byte(snapshot)
		d := fetch(t, b, Request{SnapshotID: "s1"})
		if d.MissingCount != 1 || !slices.Equal(d.Missing, []string{"gone.jpg"}) {
			t.Errorf("%s: %d are missing: %q", name, d.MissingCount, d.Missing)
		}
		if d.AnnotationsPath == "" {
			t.Errorf("%s: the snapshot is not used", name)
		}
	}
}
