package dataset

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestACatalogIsBounded(t *testing.T) {
	c := &Catalog{Images: []Image{{File: "a.jpg"}, {File: "b.jpg"}}}
	for range MaxObjectsPerImage {
		if err := c.Add(Object{Image: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if f := contract.AsFailure(c.Add(Object{Image: 1})); f == nil || f.Code != contract.CodeDatasetTooLarge || !strings.Contains(f.Message, "b.jpg") {
		t.Errorf("one more of an image: %v", f)
	}
	if err := c.Add(Object{Image: 0}); err != nil {
		t.Errorf("another image: %v", err)
	}
	c.Objects.n = MaxObjects
	if f := contract.AsFailure(c.Add(Object{Image: 0})); f == nil || f.Code != contract.CodeDatasetTooLarge || !strings.Contains(f.Hint, "Split") {
		t.Errorf("one more of all: %v", f)
	}
}
