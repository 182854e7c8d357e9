package read

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNeededReadsWhatAConversionReads: in every text and spelling that the converter
// takes.
func TestNeededReadsWhatAConversionReads(t *testing.T) {
	files := []string{"annotations.json", "images/a.jpg", "images/sub/b.jpg", "images/7", "images/e\u0301.jpg", "extra.jpg"}
	for name, c := range map[string]struct{ text, want, missing string }{
		"plain":                    {`{"images": [{"id": 1, "file_name": "a.jpg"}]}`, "images/a.jpg", ""},
		"a snapshot":               {`{"snapshot_id": "s", "created_at": "x", "annotations": {"images": [{"file_name": "a.jpg"}], "annotations": []}}`, "images/a.jpg", ""},
		"NaN":                      {`{"images": [{"area": NaN, "file_name": "a.jpg"}], "annotations": [{"area": NaN}]}`, "images/a.jpg", ""},
		"a byte order mark":        {"\xef\xbb\xbf" + `{"images": [{"file_name": "a.jpg"}]}`, "images/a.jpg", ""},
		"a number":                 {`{"images": [{"file_name": 7}]}`, "images/7", ""},
		"Windows":                  {`{"images": [{"file_name": "sub\\b.jpg"}]}`, "images/sub/b.jpg", ""},
		"images/ in front":         {`{"images": [{"file_name": "images/a.jpg"}, {"file_name": "sub/b.jpg"}]}`, "images/a.jpg images/sub/b.jpg", ""},
		"another Unicode form":     {`{"images": [{"file_name": "é.jpg"}]}`, "images/e\u0301.jpg", ""},
		"another case":             {`{"images": [{"file_name": "A.JPG"}]}`, "images/a.jpg", ""},
		"a place in a bucket":      {`{"storage_info": {"image_root": "datasets/x/images/"}, "images": [{"file_name": "a.jpg"}]}`, "images/a.jpg", ""},
		"one that is not there":    {`{"images": [{"file_name": "a.jpg"}, {"file_name": "gone.jpg"}]}`, "images/a.jpg", "gone.jpg"},
		"one without a file name":  {`{"images": [{"file_name": "a.jpg"}, {"id": 3}, null]}`, "images/a.jpg", ""},
		"no list of images":        {`{"categories": []}`, "?", ""},
		"no name at all":           {`{"images": [{"id": 1}]}`, "?", ""},
		"images that are no list":  {`{"images": 3}`, "?", ""},
		"broken in the middle":     {`{"images": [{"file_name": "a.jpg"`, "?", ""},
		"a file that is no object": {`[]`, "?", ""},
	} {
		path := filepath.Join(t.TempDir(), "annotations.json")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Needed(path, files)
		if c.want == "?" {
			if err == nil {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		need := strings.Join(slices.Sorted(maps.Keys(got.Files)), " ")
		if need != c.want || strings.Join(got.Missing, " ") != c.missing {
			t.Errorf("%s: %q, missing %q", name, need, got.Missing)
		}
	}
}
