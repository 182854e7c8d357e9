package converters_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// edge is one edge case of the frameworks: a dataset and what becomes of it. The
// numbers in the names are those of the list of what readers do (45 cases). Not
// in these tables: 34 (oriented boxes: no task has them), 41 (speed: make bench),
// 44 (links across devices: package staging).
type edge struct {
	name    string
	task    contract.TaskType
	format  contract.DatasetFormat
	root    func(t *testing.T) string
	split   string
	refused string            // code of the problem that refuses the dataset
	problem string            // code of a problem that is reported
	count   int               // of that problem; 0 = 1
	example string            // in its examples
	label   map[string]string // label files by the end of their path
	check   func(t *testing.T, p *converters.Prepared)
}

func (e edge) run(t *testing.T) {
	if e.task == "" {
		e.task, e.format = contract.TaskObjectDetection, contract.FormatYOLO
	}
	if e.format == "" {
		e.format = contract.FormatYOLO
	}
	r := request(t, e.root(t), e.task, e.format)
	if e.split != "" {
		r.Split = strategy(t, e.split)
	}
	p, err := converters.Prepare(t.Context(), r)
	f := contract.AsFailure(err)
	if e.refused == "" && f != nil {
		t.Fatalf("refused: %v", f)
	}
	if e.refused != "" {
		if f == nil || !strings.Contains(strings.Join(f.Evidence, "\n"), ": "+e.refused+": ") {
			t.Fatalf("failure %v %v, want %s", f, evidence(f), e.refused)
		}
		if left := listing(t, parent(r.Out)); len(left) > 0 {
			t.Errorf("a refused dataset left %d files: %v", len(left), left)
		}
		e.problem = e.refused
	}
	if e.problem != "" {
		found := find(p, e.problem)
		if found.Count != max(e.count, 1) || !strings.Contains(strings.Join(found.Examples, "; "), e.example) {
			t.Errorf("%s: %+v, want %d with %q; all: %v", e.problem, found, max(e.count, 1), e.example, p.Problems)
		}
	}
	if e.label != nil {
		written := labels(t, p)
		for name, want := range e.label {
			found := false
			for path, text := range written {
				if strings.HasSuffix(path, "/"+name) {
					found = true
					if text != want {
						t.Errorf("%s is %q, want %q", path, text, want)
					}
				}
			}
			if !found {
				t.Errorf("%s is not among %v", name, written)
			}
		}
	}
	if e.check != nil {
		e.check(t, p)
	}
}

func evidence(f *contract.Failure) []string {
	if f == nil {
		return nil
	}
	return f.Evidence
}

func parent(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// good is an annotation in every other image of an edge case, so that there is
// something to train on.
func good() m { return box(1, 16, 12, 32, 24) }

const goodRow = "0 0.500000 0.500000 0.500000 0.500000\n"

// first puts annotations into image 0 of four; the others have a good one each.
func first(annotations ...any) func(t *testing.T) string {
	return func(t *testing.T) string {
		return dataset(t, 4, func(i int) []any {
			if i == 0 {
				return annotations
			}
			return []any{good()}
		}, nil)
	}
}

// raw is a dataset of two good images and one whose annotation is given as text,
// for what no JSON library writes.
func raw(annotation string) func(t *testing.T) string {
	return func(t *testing.T) string {
		return folder(t, m{
			"images/0.jpg": jpegOf(64, 48), "images/1.jpg": jpegOf(64, 48), "images/2.jpg": jpegOf(64, 48),
			"annotations.json": `{"classes": [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}], "images": [
				{"id": 0, "file_name": "0.jpg", "width": 64, "height": 48, "annotations": [` + annotation + `]},
				{"id": 1, "file_name": "1.jpg", "width": 64, "height": 48, "annotations": [{"class_id": 1, "bbox": [16, 12, 32, 24]}]},
				{"id": 2, "file_name": "2.jpg", "width": 64, "height": 48, "annotations": [{"class_id": 5, "bbox": [16, 12, 32, 24]}]}]}`,
		})
	}
}

func seg(class int, rings ...[]float64) m { return m{"class_id": class, "segmentation": rings} }

var square = []float64{16, 12, 48, 12, 48, 36, 16, 36}

const squareRow = "0 0.250000 0.250000 0.750000 0.250000 0.750000 0.750000 0.250000 0.750000\n"

// segments is first for segmentation.
func segments(annotations ...any) func(t *testing.T) string {
	return func(t *testing.T) string {
		return dataset(t, 4, func(i int) []any {
			if i == 0 {
				return annotations
			}
			return []any{seg(1, square)}
		}, nil)
	}
}

func poses(annotations ...any) func(t *testing.T) string {
	return func(t *testing.T) string {
		return dataset(t, 4, func(i int) []any {
			if i == 0 {
				return annotations
			}
			return []any{m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": []float64{16, 12, 2, 32, 24, 1}}}
		}, nil)
	}
}

const (
	segmentation = contract.TaskInstanceSegmentation
	posing       = contract.TaskPoseEstimation
	classifying  = contract.TaskImageClassification
)

func TestEdgeCasesOfBoxes(t *testing.T) {
	for _, e := range []edge{
		{name: "1 an image without boxes is a background with an empty label", root: first(), label: map[string]string{"0.txt": ""},
			check: func(t *testing.T, p *converters.Prepared) {
				if p.Splits[0].Backgrounds+p.Splits[1].Backgrounds != 1 {
					t.Errorf("%+v", p.Splits)
				}
			}},
		{name: "4 a box partly outside is clipped", root: first(box(1, -16, -12, 32, 24)), problem: "object_clipped",
			label: map[string]string{"0.txt": "0 0.125000 0.125000 0.250000 0.250000\n"}},
		{name: "5 a box wholly outside is left out", root: first(m{"id": 77, "class_id": 1, "bbox": []float64{100, 5, 5, 5}}, good()), problem: "object_outside", example: "annotation 77 of image 0",
			label: map[string]string{"0.txt": goodRow}},
		{name: "6 zero width", root: first(box(1, 5, 5, 0, 9), good()), problem: "degenerate_bbox", label: map[string]string{"0.txt": goodRow}},
		{name: "6 negative height", root: first(box(1, 5, 5, 9, -4), good()), problem: "degenerate_bbox", label: map[string]string{"0.txt": goodRow}},
		{name: "6 too thin after clipping", root: first(box(1, -9, 5, 9.00001, 4), good()), problem: "degenerate_bbox", label: map[string]string{"0.txt": goodRow}},
		{name: "7 NaN", root: raw(`{"id": 9, "class_id": 1, "bbox": [1, NaN, 2, 3]}`), refused: "bad_number", example: "annotation 9 of image 0: bbox has NaN"},
		{name: "7 Infinity", root: raw(`{"id": 9, "class_id": 1, "bbox": [1, 2, Infinity, 3]}`), refused: "bad_number", example: "Infinity"},
		{name: "7 1e999", root: raw(`{"id": 9, "class_id": 1, "bbox": [1, 2, 1e999, 3]}`), refused: "bad_number", example: "1e999"},
		{name: "7 a string", root: raw(`{"id": 9, "class_id": 1, "bbox": [1, "2", 3, 4]}`), refused: "bad_number", example: "a string"},
		{name: "7 a box beyond every image", root: first(box(1, 1, 2, 1e308, 1e308)), refused: "coordinate_too_large", example: "image 0"},
		{name: "8 a box in fractions", root: first(box(1, .25, .25, .5, .5)), refused: "bbox_looks_normalized"},
		{name: "8 a box in declared fractions", root: first(m{"class_id": 1, "bbox": []float64{.25, .25, .5, .5}, "bbox_format": "xywh_normalized"}), label: map[string]string{"0.txt": goodRow}},
		{name: "9 xyxy", root: first(m{"class_id": 1, "bbox": []float64{16, 12, 48, 36}, "bbox_format": "xyxy"}), label: map[string]string{"0.txt": goodRow}},
		{name: "9 xyxy that nobody declared", root: func(t *testing.T) string {
			return dataset(t, 20, func(i int) []any { return []any{box(1, 20+float64(i), 12, 24+2*float64(i), 36)} }, nil)
		}, refused: "bbox_looks_corners", count: 12, example: "of 20"},
		{name: "9 a box that corners cannot be, among many that stick out", root: func(t *testing.T) string {
			return dataset(t, 20, func(i int) []any {
				if i == 0 {
					return []any{box(1, 40, 30, 4, 4)}
				}
				return []any{box(1, 20+float64(i), 12, 24+2*float64(i), 36)}
			}, nil)
		}, problem: "many_objects_stick_out", count: 13, example: "of 20"},
		{name: "9 cxcywh", root: first(m{"class_id": 1, "bbox": []float64{32, 24, 32, 24}, "bbox_format": "cxcywh"}), label: map[string]string{"0.txt": goodRow}},
		{name: "9 cxcywh in fractions", root: first(m{"class_id": 1, "bbox": []float64{.5, .5, .5, .5}, "bbox_format": "cxcywh_normalized"}), label: map[string]string{"0.txt": goodRow}},
		{name: "9 an unknown format", root: first(m{"class_id": 1, "bbox": []float64{1, 2, 3, 4}, "bbox_format": "voc"}), refused: "bad_bbox_format"},
		{name: "14 class ids with gaps are indexed by table", root: first(box(5, 16, 12, 32, 24)), label: map[string]string{"0.txt": "1" + goodRow[1:]}},
		{name: "14 an unknown class id", root: first(box(2, 16, 12, 32, 24)), refused: "unknown_class"},
		{name: "14 an id beyond float64", root: raw(`{"class_id": 9007199254740993, "bbox": [1, 2, 3, 4]}`), refused: "unknown_class"},
		{name: "36 null and empty annotations", root: raw(`null, {}, {"class_id": 1, "bbox": [16, 12, 32, 24]}`), problem: "null_entry", count: 2, label: map[string]string{"0.txt": goodRow}},
		{name: "36 no box", root: raw(`{"id": 9, "class_id": 1}, {"class_id": 1, "bbox": [16, 12, 32, 24]}`), refused: "no_bbox", example: "annotation 9 of image 0"},
		{name: "36 an empty box and a null one", root: raw(`{"id": 9, "class_id": 1, "bbox": []}, {"id": 10, "class_id": 1, "bbox": null}`), refused: "no_bbox", count: 2},
		{name: "36 the class of a whole image among boxes", root: func(t *testing.T) string {
			return folder(t, m{"images/0.jpg": jpegOf(64, 48), "images/1.jpg": jpegOf(64, 48), "images/2.jpg": jpegOf(64, 48),
				"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": []any{
					m{"id": 0, "file_name": "0.jpg", "annotation": m{"class_id": 1}},
					m{"id": 1, "file_name": "1.jpg", "annotations": []any{good()}},
					m{"id": 2, "file_name": "2.jpg", "annotations": []any{good()}}}}})
		}, problem: "class_of_whole_image", example: "image 0", label: map[string]string{"0.txt": ""}},
		{name: "36 no class", root: raw(`{"bbox": [1, 2, 3, 4]}`), refused: "no_class"},
		{name: "36 annotation ids 0 and twice are numbered from 1 in COCO", task: contract.TaskObjectDetection, format: contract.FormatCOCO,
			root: first(m{"id": 0, "class_id": 1, "bbox": []float64{1, 2, 3, 4}}, m{"id": 0, "class_id": 1, "bbox": []float64{2, 2, 3, 4}}), check: func(t *testing.T, p *converters.Prepared) {
				all := listing(t, p.Dir)
				ids := regexp.MustCompile(`\{"id": (\d+), "image_id"`).FindAllStringSubmatch(all["annotations/instances_train.json"]+all["annotations/instances_val.json"], -1)
				for i, id := range ids {
					if id[1] != strconv.Itoa(i+1) {
						t.Errorf("annotation %d has id %s", i, id[1])
					}
				}
				if len(ids) != 5 {
					t.Errorf("%d annotations, want 5", len(ids))
				}
			}},
		{name: "45 no exponents, no rounding to nothing", root: first(box(1, 0.00001, 0.00001, 63.99998, 47.99998)), label: map[string]string{"0.txt": "0 0.500000 0.500000 1.000000 1.000000\n"}},
		{name: "twice the same box", root: first(good(), good()), problem: "duplicate_object", label: map[string]string{"0.txt": goodRow}},
		{name: "a crowd", root: first(m{"class_id": 1, "bbox": []float64{1, 2, 30, 40}, "iscrowd": 1}, good()), problem: "crowd_skipped", label: map[string]string{"0.txt": goodRow}},
	} {
		t.Run(e.name, e.run)
	}
}

func TestEdgeCasesOfShapes(t *testing.T) {
	twin := []float64{16, 12, 48, 12, 48, 36, 20, 30, 16, 36}
	many := []float64{}
	for i := range 1500 {
		a := float64(i) * 2 * math.Pi / 1500
		many = append(many, 32+15*math.Cos(a), 24+15*math.Sin(a))
	}
	for _, e := range []edge{
		{name: "29 two points", task: segmentation, root: segments(seg(1, []float64{1, 2, 30, 40}), seg(1, square)), problem: "bad_polygon", label: map[string]string{"0.txt": squareRow}},
		{name: "29 an odd count", task: segmentation, root: segments(seg(1, []float64{1, 2, 30, 40, 5, 6, 7}), seg(1, square)), problem: "bad_polygon", label: map[string]string{"0.txt": squareRow}},
		{name: "29 points on one line", task: segmentation, root: segments(seg(1, []float64{1, 1, 20, 20, 40, 40}), seg(1, square)), problem: "bad_polygon", label: map[string]string{"0.txt": squareRow}},
		{name: "29 repeated points", task: segmentation, root: segments(seg(1, []float64{16, 12, 16, 12, 48, 12, 48, 36, 16, 36, 16, 12})), label: map[string]string{"0.txt": squareRow}},
		{name: "29 self-crossing stays", task: segmentation, root: segments(seg(1, []float64{16, 12, 48, 36, 48, 12, 16, 36})),
			label: map[string]string{"0.txt": "0 0.250000 0.250000 0.750000 0.750000 0.750000 0.250000 0.250000 0.750000\n"}},
		{name: "29 more than a thousand points", task: segmentation, root: segments(seg(1, many)), check: func(t *testing.T, p *converters.Prepared) {
			for _, row := range labels(t, p) {
				if n := len(strings.Fields(row)); n != 9 && n != 3001 {
					t.Errorf("%d columns", n)
				}
			}
		}},
		{name: "29 partly outside is clipped", task: segmentation, root: segments(seg(1, []float64{-64, 12, 32, 12, 32, 36, -64, 36})), problem: "object_clipped",
			label: map[string]string{"0.txt": "0 0.000000 0.250000 0.500000 0.250000 0.500000 0.750000 0.000000 0.750000\n"}},
		{name: "29 wholly outside", task: segmentation, root: segments(seg(1, []float64{100, 100, 120, 100, 120, 120}), seg(1, square)), problem: "object_outside", label: map[string]string{"0.txt": squareRow}},
		{name: "30 two parts are one row", task: segmentation, root: segments(seg(1, []float64{0, 0, 16, 0, 16, 12, 0, 12}, []float64{32, 0, 48, 0, 48, 12, 32, 12})), check: func(t *testing.T, p *converters.Prepared) {
			for _, row := range labels(t, p) {
				if strings.Count(row, "\n") != 1 {
					t.Errorf("%q is not one row", row)
				}
			}
		}},
		{name: "31 a mask", task: segmentation, root: segments(m{"class_id": 1, "segmentation": m{"size": []int{48, 64}, "counts": []int{16*48 + 12, 24, 24, 24, 48*64 - 16*48 - 12 - 72}}}),
			label: map[string]string{"0.txt": "0 0.281250 0.250000 0.281250 0.750000 0.250000 0.750000 0.250000 0.250000\n"}},
		{name: "31 a mask of another size", task: segmentation, root: segments(m{"class_id": 1, "segmentation": m{"size": []int{2, 2}, "counts": []int{1, 3}}}), refused: "mask_size"},
		{name: "31 runs that do not add up", task: segmentation, root: segments(m{"class_id": 1, "segmentation": m{"size": []int{48, 64}, "counts": []int{1, 3}}}), refused: "bad_shape"},
		{name: "31 a crowd mask is left out of YOLO", task: segmentation, root: segments(m{"class_id": 1, "iscrowd": 1, "segmentation": m{"size": []int{48, 64}, "counts": []int{0, 48 * 64}}}, seg(1, square)), problem: "crowd_skipped", label: map[string]string{"0.txt": squareRow}},
		{name: "31 a crowd mask stays in COCO", task: segmentation, format: contract.FormatCOCO, root: segments(m{"class_id": 1, "iscrowd": 1, "segmentation": m{"size": []int{48, 64}, "counts": []int{0, 48 * 64}}}), check: func(t *testing.T, p *converters.Prepared) {
			all := listing(t, p.Dir)
			if both := all["annotations/instances_train.json"] + all["annotations/instances_val.json"]; !strings.Contains(both, `"iscrowd": 1, "segmentation": {"size": [48, 64], "counts": [0, 3072]}`) {
				t.Error(both)
			}
		}},
		{name: "32 a box among polygons is a rectangle, never five columns", task: segmentation, root: segments(good()), problem: "box_as_polygon", label: map[string]string{"0.txt": squareRow}},
		{name: "32 boxes only", task: segmentation, root: first(good()), refused: "no_polygons", count: 4},
		{name: "33 two polygons with one bounding box both survive", task: segmentation, root: segments(seg(1, square), seg(1, twin)),
			label: map[string]string{"0.txt": squareRow + "0 0.250000 0.250000 0.749999 0.250000 0.749999 0.750000 0.312500 0.625000 0.250000 0.750000\n"}},
		{name: "a polygon gives a missing box", root: segments(seg(1, square)), label: map[string]string{"0.txt": goodRow}},
		{name: "8 a polygon in fractions", task: segmentation, root: segments(seg(1, []float64{.1, .1, .9, .1, .9, .9})), refused: "shape_looks_normalized", example: "image 0"},
		{name: "8 a polygon in declared fractions", task: segmentation, root: segments(m{"class_id": 1, "bbox_format": "xywh_normalized", "segmentation": [][]float64{{.25, .25, .75, .25, .75, .75, .25, .75}}}), label: map[string]string{"0.txt": squareRow}},
		{name: "8 keypoints in fractions", task: posing, root: poses(m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": []float64{.25, .25, 2, .5, .5, 1}}), refused: "shape_looks_normalized", example: "image 0"},
		{name: "8 keypoints in the corner are pixels", task: posing, root: poses(m{"class_id": 1, "bbox": []float64{0, 0, 64, 48}, "keypoints": []float64{0, 0, 2, 1, 1, 2}}),
			label: map[string]string{"0.txt": "0 0.500000 0.500000 1.000000 1.000000 0.000000 0.000000 2 0.015625 0.020833 2\n"}},
		{name: "7 a polygon beyond float64's arithmetic", task: segmentation, root: segments(seg(1, []float64{-1e308, -1e308, 1e308, -1e308, 1e308, 1e308})), refused: "coordinate_too_large", example: "image 0"},
		{name: "35 numbers that make no whole points", task: posing, root: poses(m{"class_id": 1, "bbox": []float64{1, 2, 30, 40}, "keypoints": []float64{1, 2, 2, 3, 4}}), refused: "keypoint_count"},
		{name: "35 numbers that make no whole points anywhere", task: posing, root: func(t *testing.T) string {
			return dataset(t, 3, func(int) []any {
				return []any{m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": []float64{1, 2, 2, 3, 4}}}
			}, nil)
		}, refused: "keypoint_count", count: 3},
		{name: "35 another number of keypoints", task: posing, root: poses(m{"class_id": 1, "bbox": []float64{1, 2, 30, 40}, "keypoints": []float64{1, 2, 2}}), refused: "keypoint_count"},
		{name: "35 v missing", task: posing, root: func(t *testing.T) string {
			return dataset(t, 3, func(int) []any {
				return []any{m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": []float64{16, 12, 32, 24}}}
			}, nil)
		}, label: map[string]string{"0.txt": "0 0.500000 0.500000 0.500000 0.500000 0.250000 0.250000 2 0.500000 0.500000 2\n"}},
		{name: "35 v = 0 with coordinates", task: posing, root: poses(m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": []float64{-1, -1, 0, 32, 24, 2}}),
			label: map[string]string{"0.txt": "0 0.500000 0.500000 0.500000 0.500000 0.000000 0.000000 0 0.500000 0.500000 2\n"}},
		{name: "35 a keypoint outside", task: posing, root: poses(m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": []float64{-9, 5, 2, 32, 24, 2}}), problem: "keypoint_outside",
			label: map[string]string{"0.txt": "0 0.500000 0.500000 0.500000 0.500000 0.000000 0.000000 0 0.500000 0.500000 2\n"}},
		{name: "35 no keypoints at all", task: posing, root: first(good()), refused: "no_keypoints", count: 4},
		{name: "35 a box without keypoints among others", task: posing, root: poses(good()), problem: "box_without_keypoints",
			label: map[string]string{"0.txt": "0 0.500000 0.500000 0.500000 0.500000 0.000000 0.000000 0 0.000000 0.000000 0\n"}},
		{name: "35 flip_idx is a permutation by name", task: posing, root: func(t *testing.T) string {
			return dataset(t, 3, func(int) []any {
				return []any{m{"class_id": 1, "bbox": []float64{16, 12, 32, 24}, "keypoints": [][]float64{{16, 12, 2}, {17, 12, 2}, {18, 12, 2}}}}
			}, m{"keypoint_names": []string{"nose", "left_eye", "right_eye"}})
		}, check: func(t *testing.T, p *converters.Prepared) {
			if yaml := listing(t, p.Dir)["data.yaml"]; !strings.Contains(yaml, "kpt_shape: [3, 3]\nflip_idx: [0,2,1]\n") {
				t.Error(yaml)
			}
		}},
	} {
		t.Run(e.name, e.run)
	}
}
