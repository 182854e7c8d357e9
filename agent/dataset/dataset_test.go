package dataset

import (
	"bytes"
	"errors"
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

func TestSnapshotThatIsNoJSONIsRefused(t *testing.T) {
	b := zipBucket(t, shapes())
	b.objects["datasets/d1/snapshots/job-1.json"] = []byte("<html>")
	_, err := Fetch(t.Context(), b, Request{ID: "d1", SnapshotID: "job-1", Dir: t.TempDir()})
	if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeDatasetInvalid {
		t.Errorf("error %v", err)
	}
}

func FuzzImageNames(f *testing.F) {
	f.Add([]byte(shapes()["annotations.json"]))
	f.Add([]byte(`{"a":[{"images":[]}],"images":[{"file_name":1}]}`))
	f.Add([]byte(`{"images":[{}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := readImageNames(bytes.NewReader(b))
		if err == nil && len(names) > len(b) {
			t.Errorf("%d names out of %d bytes", len(names), len(b))
		}
	})
}
