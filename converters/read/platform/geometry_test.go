package platform

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

func readOne(t *testing.T, task contract.TaskType, annotation string) (*dataset.Catalog, *problem.List) {
	t.Helper()
	problems := new(problem.List)
	text := fmt.Sprintf(`{"classes": [{"id": 0, "name": "a"}], "images": [{"id": 1, "file_name": "a.jpg", "annotations": [%s]}]}`, annotation)
	c, err := Read(strings.NewReader(text), "annotations.json", task, problems, DefaultLimits)
	if err != nil {
		t.Fatalf("%s: %v", annotation, err)
	}
	return c, problems
}

// TestGeometryOfTheLabelerIsReadAsWhatItIs: the labeler has no field of its own for
// these shapes.
func TestGeometryOfTheLabelerIsReadAsWhatItIs(t *testing.T) {
	for annotation, box := range map[string][4]float64{
		`{"class_id": 0, "type": "rotated_bbox", "geometry": {"cx": 50, "cy": 40, "width": 20, "height": 10, "angle": 90}}`:                      {45, 30, 10, 20},
		`{"class_id": 0, "geometry": {"type": "rotated_box", "center": [50, 40], "width": 20, "height": 10, "rotation": 0}, "type": "x"}`:        {40, 35, 20, 10},
		`{"class_id": 0, "type": "obb", "geometry": {"bbox": [40, 35, 20, 10], "angle": 180}}`:                                                   {40, 35, 20, 10},
		`{"class_id": 0, "type": "oriented-bbox", "geometry": {"points": [[50, 30], [60, 40], [50, 50], [40, 40]]}}`:                             {40, 30, 20, 20},
		`{"class_id": 0, "bbox": [40, 35, 20, 10], "attributes": {"occluded": false, "note": "rotated", "rotation": 90.0}}`:                      {45, 30, 10, 20},
		`{"class_id": 0, "note": "rotated", "rotation": -90, "bbox_format": "xyxy", "bbox": [40, 35, 60, 45]}`:                                   {45, 30, 10, 20},
		`{"class_id": 0, "type": "obb", "angle": 90, "bbox_format": "cxcywh", "bbox": [50, 40, 20, 10]}`:                                         {45, 30, 10, 20},
		`{"class_id": 0, "note": "rotated", "bbox": [0, 0, 20, 10], "rotation": 45, "segmentation": [[40, 30, 60, 30, 60, 50]]}`:                 {40, 30, 20, 20},
		`{"class_id": 0, "bbox": [40, 35, 20, 10], "angle": 30}`:                                                                                 {40, 35, 20, 10}, // of the view, it may be
		`{"class_id": 0, "bbox": [40, 35, 20, 10], "rotation": 0, "attributes": {"rotation": 0.0}}`:                                              {40, 35, 20, 10},
		`{"class_id": 0, "type": "bbox", "geometry": {"x": 1, "y": 2, "width": 30, "height": 40}}`:                                               {1, 2, 30, 40},
		`{"class_id": 0, "geometry": {"type": "bbox", "bbox": [1, 2, 30, 40], "image_width": 100}}`:                                              {1, 2, 30, 40},
		`{"class_id": 0, "geometry": {"type": "polygon", "points": [{"x": 1, "y": 2}, {"x": 31, "y": 2}, {"x": 31, "y": 42}]}}`:                  {1, 2, 30, 40},
		`{"class_id": 0, "type": "keypoints", "geometry": {"keypoints": [[5, 6, 2], [15, 26, 1], [0, 0, 0]]}}`:                                   {5, 6, 10, 20},
		`{"class_id": 0, "type": "keypoints", "geometry": {"points": [{"x": 5, "y": 6, "visible": true}, {"x": 15, "y": 26, "visibility": 1}]}}`: {5, 6, 10, 20},
	} {
		c, problems := readOne(t, contract.TaskObjectDetection, annotation)
		if c.Objects.Len() != 1 || problems.Fatal() {
			t.Errorf("%s: %d objects, %v", annotation, c.Objects.Len(), problems.Problems())
			continue
		}
		o := c.Objects.At(0)
		for i, v := range box {
			if math.Abs(o.Box[i]-v) > 1e-9 {
				t.Errorf("%s: %v, want %v", annotation, o.Box, box)
				break
			}
		}
		isRotated := strings.Contains(annotation, "rotated") || strings.Contains(annotation, "obb") || strings.Contains(annotation, "oriented")
		if said := problems.Count(problem.RotatedBox) == 1; said != isRotated {
			t.Errorf("%s: said to be rotated: %v", annotation, said)
		}
	}
	c, _ := readOne(t, contract.TaskPoseEstimation, `{"class_id": 0, "type": "keypoints", "geometry": {"keypoints": [[5, 6, 2], [15, 26, 1]]}}`)
	if o := c.Objects.At(0); o.Dims != 3 || len(o.Keypoints) != 6 {
		t.Errorf("keypoints: %+v", o)
	}
	for _, annotation := range []string{
		`{"class_id": 0, "type": "rotated_bbox", "geometry": {"cx": 50, "cy": 40, "width": 20, "height": 10, "angle": 30}}`,
		`{"class_id": 0, "bbox": [40, 35, 20, 10], "attributes": {"rotation": 30}}`,
	} {
		c, _ = readOne(t, contract.TaskInstanceSegmentation, annotation)
		if o := c.Objects.At(0); len(o.Polygons) != 1 || len(o.Polygons[0]) != 8 || math.Abs(o.Polygons[0][0]-43.83975) > 1e-5 {
			t.Errorf("a rotated box as a polygon: %+v", o)
		}
	}
}

// TestWhatIsNoObjectIsNamed: a box around a line trains nothing that anyone wants.
func TestWhatIsNoObjectIsNamed(t *testing.T) {
	for annotation, kind := range map[string]problem.Kind{
		`{"class_id": 0, "polyline": [1, 2, 30, 40], "bbox": [1, 2, 29, 38], "bbox_format": "xywh"}`:            problem.LineAnnotation,
		`{"class_id": 0, "circle": {"center": [50, 50], "radius": 9}, "bbox": [41, 41, 18, 18]}`:                problem.LineAnnotation,
		`{"class_id": 0, "type": "polyline", "geometry": {"points": [[1, 2], [3, 4]]}, "bbox": [1, 2, 29, 38]}`: problem.LineAnnotation,
		`{"class_id": 0, "type": "3d_cuboid", "geometry": {"points": [[1, 2], [3, 4]]}}`:                        problem.BadShape,
		`{"class_id": 0, "type": "polygon", "geometry": {"points": [[1, 2], [3, 4]]}}`:                          problem.BadShape,
		`{"class_id": 0, "type": "bbox", "geometry": {}}`:                                                       problem.BadShape,
		`{"class_id": 0, "bbox": [0.1, 0.2, 0.3, 0.1], "bbox_format": "xywh_normalized", "rotation": 30}`:       problem.BadShape,
		`{"caption": "a cat on a mat", "language": "en"}`:                                                       problem.TextAnnotation,
		`{"type": "region_description", "text": "a mat", "bbox": [1, 2, 29, 38]}`:                               problem.TextAnnotation,
	} {
		if _, problems := readOne(t, contract.TaskObjectDetection, annotation); problems.Count(kind) != 1 {
			t.Errorf("%s: %v, want %s", annotation, problems.Problems(), kind.Code)
		}
	}
	if _, problems := readOne(t, contract.TaskInstanceSegmentation, `{"class_id": 0, "bbox": [1, 2, 29, 38], "mask_file": "masks/1.png"}`); problems.Count(problem.MaskFile) != 1 {
		t.Errorf("a mask in a file: %v", problems.Problems())
	}
	c, problems := readOne(t, contract.TaskObjectDetection, `{"class_id": 0, "bbox": [1, 2, 29, 38], "mask_file": "masks/1.png", "text": "serial number", "type": "line"}`)
	if c.Objects.Len() != 1 || problems.Fatal() {
		t.Errorf("a box with a mask, a text and a type of its own: %v", problems.Problems())
	}
}
