package converters_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestPycocotoolsLoadsWhatWeWrite(t *testing.T) {
	need.Python(t)
	mask := func(r *rand.Rand, class int, x, y, w, h float64) m {
		if r.IntN(3) > 0 {
			return shape(r, class, x, y, w, h)
		}
		return m{"class_id": class, "bbox": []float64{x, y, w, h}, "segmentation": [][]float64{{x, y, x + w, y, x + w, y + h}}, "iscrowd": 1}
	}
	prepared := map[string]*converters.Prepared{}
	var items []item
	for name, c := range map[string]struct {
		root string
		task contract.TaskType
	}{
		"detect":  {hostile(t, 4, plainBox), contract.TaskObjectDetection},
		"segment": {hostile(t, 5, mask), contract.TaskInstanceSegmentation},
		"pose":    {hostile(t, 6, pose), contract.TaskPoseEstimation},
		"masks":   {maskDataset(t), contract.TaskSemanticSegmentation},
	} {
		p := prepare(t, request(t, c.root, c.task, contract.FormatCOCO))
		prepared[name] = p
		items = append(items, item{Name: name, Dir: p.Dir})
	}
	var got map[string]map[string]struct {
		Images, Annotations, Crowds int
		IDs                         []int
		Categories                  map[string]string
		Missing                     []string `json:"missing_files"`
		Areas                       []int    `json:"mask_areas"`
		MAP                         float64
	}
	readWith(t, "read_coco.py", items, &got)
	for name, p := range prepared {
		seen := map[int]bool{}
		for _, c := range p.Splits {
			s := got[name][string(c.Split)]
			if s.Images != c.Images || s.Annotations != c.Objects || len(s.Missing) > 0 || s.MAP < 0.999 {
				t.Errorf("%s %s: pycocotools has %+v\nours %+v", name, c.Split, s, c)
			}
			for _, id := range s.IDs {
				if id < 1 || seen[id] {
					t.Errorf("%s %s: annotation id %d", name, c.Split, id)
				}
				seen[id] = true
			}
			for _, class := range p.Classes.Classes {
				if s.Categories[fmt.Sprint(class.Index+1)] != class.Name {
					t.Errorf("%s %s: categories %v", name, c.Split, s.Categories)
				}
			}
		}
	}
	for _, split := range []string{"train", "val"} {
		for _, area := range got["masks"][split].Areas {
			if area != 8 {
				t.Errorf("a ring of eight pixels has area %d in %s", area, split)
			}
		}
	}
}

// maskDataset has a ring of eight pixels around a hole in every image.
func maskDataset(t *testing.T) string {
	return dataset(t, 4, func(int) []any {
		// Column-major, 48 high: columns 1, 2 and 3 from row 1, with a hole.
		counts := []int{48 + 1, 3, 45, 1, 1, 1, 45, 3, 48*64 - 48 - 1 - 3 - 45 - 1 - 1 - 1 - 45 - 3}
		return []any{m{"class_id": 1, "segmentation": m{"size": []int{48, 64}, "counts": counts}}}
	}, nil)
}
