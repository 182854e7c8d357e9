package platform

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

func TestFileNamesAreReadFromEveryShapeThatIsRead(t *testing.T) {
	for name, in := range map[string]string{
		"plain":         `{"images": [{"id": 1, "file_name": "a.jpg"}, {"file_name": 7}]}`,
		"images last":   `{"annotations": [{"images": [{"file_name": "x"}]}], "images": [{"file_name": "a.jpg", "annotations": [{"area": NaN}]}, {"file_name": "7"}]}`,
		"NaN":           `{"loss": [NaN, -Infinity], "images": [{"file_name": "a.jpg", "width": NaN}, {"file_name": "7"}]}`,
		"BOM":           "\ufeff" + `{"images": [{"file_name": "a.jpg"}, {"file_name": "7"}]}`,
		"a snapshot's":  `{"snapshot_id": "s", "created_at": "2026", "annotations": {"images": [{"file_name": "a.jpg"}, {"file_name": "7"}]}}`,
		"with its root": `{"storage_info": {"image_root": "data/images/"}, "images": [{"file_name": "a.jpg"}, {"file_name": "7"}]}`,
	} {
		got, err := ReadFileNames(strings.NewReader(in), name)
		if err != nil || !slices.Equal(got.Names, []string{"a.jpg", "7"}) || got.Unnamed != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if (got.ImageRoot != "") != (name == "with its root") {
			t.Errorf("%s: root %q", name, got.ImageRoot)
		}
	}
	got, err := ReadFileNames(strings.NewReader(`{"images": [{"id": 1}, "strange", {"file_name": null}, {"file_name": "b.jpg"}]}`), "x")
	if err != nil || got.Unnamed != 3 || len(got.Names) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ReadFileNames(strings.NewReader(`{"classes": []}`), "x"); err != nil || len(got.Names) != 0 {
		t.Errorf("without images: %+v, %v", got, err)
	}
}

// What is refused here would have been refused later, after the download.
func FuzzFileNamesRefuseNothingThatIsRead(f *testing.F) {
	f.Add([]byte(`{"images": [{"file_name": "a.jpg", "annotations": [{"bbox": [NaN]}]}]}`))
	f.Add([]byte(`{"annotations": {"images": [{}]}}`))
	f.Add([]byte(`<html>`))
	f.Add([]byte(`{"images": 5}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := ReadFileNames(bytes.NewReader(b), "x")
		if len(names.Names) > len(b) {
			t.Errorf("%d names out of %d bytes", len(names.Names), len(b))
		}
		if err == nil {
			return
		}
		if _, readErr := Read(bytes.NewReader(b), "x", contract.TaskObjectDetection, &problem.List{}, DefaultLimits); readErr == nil {
			t.Errorf("refused, and read: %v", err)
		}
	})
}
