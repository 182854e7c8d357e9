package page

import "testing"

// A dataset's own annotations are shown as far as they are understood.
func FuzzAnnotations(f *testing.F) {
	f.Add([]byte(`{"images":[{"file_name":"a.jpg","annotation":{"class_name":"a"}},{"file_name":"b.jpg","annotations":[{"class_name":"a","bbox":[1,2,3,4],"segmentation":[[1,2,3]],"keypoints":[1,2,2]}]}]}`))
	f.Add([]byte(`{"images":[{"annotations":[null,1,{"segmentation":{"counts":"x"}}]}]}`))
	f.Add([]byte(`{"images":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parseAnnotations(body)
		if err == nil && (list == nil || len(list) > sampleCount) {
			t.Errorf("%d samples", len(list))
		}
	})
}
