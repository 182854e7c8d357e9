package converters_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// Every label of a dataset either arrives, with the numbers that it had, or is in
// the report; and every image is in one split.

// dropped are the problems that stand for a lost annotation each.
var dropped = []string{"degenerate_bbox", "object_outside", "no_polygon_left", "crowd_skipped", "duplicate_object", "null_entry"}

// drawn is an annotation and what must be read back of it: the numbers of its row
// as fractions, or none when it is not fit for training.
type drawn struct {
	annotation any
	want       []float64
	background bool // counts as no label
}

const frameW, frameH = 64.0, 48.0

func fractions(points ...float64) []float64 {
	out := make([]float64, len(points))
	for i, v := range points {
		out[i] = v / [2]float64{frameW, frameH}[i%2]
	}
	return out
}

// drawAnnotation draws a good annotation, or one that readers would choke on.
func drawAnnotation(t *rapid.T, task contract.TaskType) drawn {
	real := func(low, high float64) float64 { return rapid.Float64Range(low, high).Draw(t, "v") }
	x, y := real(0, frameW-12), real(0, frameH-12)
	w, h := real(2, frameW-x), real(2, frameH-y)
	a := m{"class_id": rapid.SampledFrom([]any{1, 5, "5"}).Draw(t, "class"), "bbox": []float64{x, y, w, h}}
	want := fractions(x+w/2, y+h/2, w, h)
	if task == contract.TaskInstanceSegmentation {
		ring := []float64{x, y, x + w, y, x + w*real(0.3, 0.7), y + h}
		a["segmentation"], want = [][]float64{ring}, fractions(ring...)
	}
	if task == contract.TaskPoseEstimation {
		points := []float64{x + w/3, y + h/3, 2, x + w/2, y + h/2, 1, -5, -5, 0}
		a["keypoints"] = points
		want = append(append(append(want, fractions(points[0:2]...)...), 2), append(append(fractions(points[3:5]...), 1), 0, 0, 0)...)
	}
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		a["bbox"], a["segmentation"] = []float64{x + 100, y, w, h}, [][]float64{{x + 100, y, x + 120, y, x + 110, y + 9}}
		return drawn{annotation: a}
	case 1:
		a["bbox"], a["segmentation"] = []float64{x, y, 0, h}, [][]float64{{x, y, x, y + 2, x, y + 9}}
		return drawn{annotation: a}
	case 2:
		a["iscrowd"] = 1
		return drawn{annotation: a}
	case 3:
		return drawn{annotation: nil}
	case 4:
		return drawn{annotation: m{"class_id": -1}, background: true}
	case 5:
		odd := rapid.OneOf(rapid.Float64Range(-200, 200), rapid.Float64(), rapid.SampledFrom([]float64{0, frameW, frameH, 1e-300, -1e-9, 5e8, -5e8}))
		a["bbox"] = rapid.SliceOfN(odd, 4, 4).Draw(t, "box")
		a["bbox_format"] = rapid.SampledFrom([]string{"xywh", "xyxy", "cxcywh", "xyxy_normalized"}).Draw(t, "format")
		a["segmentation"] = [][]float64{rapid.SliceOfN(odd, 2, 12).Draw(t, "ring"), rapid.SliceOfN(odd, 6, 8).Draw(t, "other ring")}
		return drawn{annotation: a}
	}
	return drawn{annotation: a, want: want}
}

func TestNoLabelIsLostAndEveryImageIsInOneSplit(t *testing.T) {
	picture := jpegOf(frameW, frameH)
	for _, task := range []contract.TaskType{contract.TaskObjectDetection, contract.TaskInstanceSegmentation, contract.TaskPoseEstimation} {
		t.Run(string(task), func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				checkConserved(t, r, picture, task, rapid.SampledFrom([]contract.DatasetFormat{contract.FormatYOLO, contract.FormatCOCO}).Draw(r, "format"))
			})
		})
	}
}

func checkConserved(t *testing.T, r *rapid.T, picture []byte, task contract.TaskType, format contract.DatasetFormat) {
	n := rapid.IntRange(2, 6).Draw(r, "images")
	files, images, all := m{}, []any{}, map[string][]drawn{}
	total := 0
	for i := range n {
		name := fmt.Sprintf("%s%d.jpg", rapid.SampledFrom([]string{"", "a/", "b/c/"}).Draw(r, "folder"), i)
		list := []any{}
		for range rapid.IntRange(0, 4).Draw(r, "annotations") {
			d := drawAnnotation(r, task)
			list, all[name] = append(list, d.annotation), append(all[name], d)
			if !d.background {
				total++
			}
			if d.want != nil && rapid.IntRange(0, 5).Draw(r, "twice") == 0 {
				list, total = append(list, d.annotation), total+1
			}
		}
		files["images/"+name] = picture
		images = append(images, m{"id": i, "file_name": name, "annotations": list})
	}
	files["annotations.json"] = m{"classes": []any{m{"id": 5, "name": "dog"}, m{"id": 1, "name": "cat"}}, "images": images}
	request := request(t, folder(t, files), task, format)
	request.Split = strategy(t, fmt.Sprintf(`{"ratio": [0.5, 0.3, 0.2], "seed": %d, "stratify": %t}`, rapid.Int32().Draw(r, "seed"), rapid.Bool().Draw(r, "stratify")))
	p, err := converters.Prepare(t.Context(), request)
	if err != nil {
		if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid || len(f.Evidence) == 0 {
			r.Fatal(err)
		}
		return // refused, in words
	}
	written, lost := 0, 0
	for _, c := range p.Splits {
		written += c.Objects
	}
	for _, code := range dropped {
		lost += find(p, code).Count
	}
	if written+lost != total {
		r.Fatalf("%d labels written and %d reported of %d: %v", written, lost, total, p.Problems)
	}
	rows := readRows(t, p)
	if len(rows) != n {
		r.Fatalf("%d images, want %d", len(rows), n)
	}
	for name, list := range all {
		for _, row := range rows[name] {
			if slices.ContainsFunc(row, func(v float64) bool { return !(v >= -1e-9 && v <= 1+1e-9) && v != 2 }) { // 2 is a visibility
				r.Fatalf("%s has %v", name, row)
			}
		}
		for _, d := range list {
			if d.want != nil && !slices.ContainsFunc(rows[name], func(row []float64) bool { return near(row, d.want) }) {
				r.Fatalf("%s: %v is not among %v", name, d.want, rows[name])
			}
		}
	}
}

func near(got, want []float64) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-6 {
			return false
		}
	}
	return true
}

// readRows reads what was written, without any code of ours: the numbers of every
// object, as fractions, by image. An image in two splits fails.
func readRows(t *testing.T, p *converters.Prepared) map[string][][]float64 {
	t.Helper()
	rows := make(map[string][][]float64)
	begin := func(name string) {
		if _, twice := rows[name]; twice {
			t.Fatalf("%s is in two splits", name)
		}
		rows[name] = [][]float64{}
	}
	for path, text := range listing(t, p.Dir) {
		folder, rest, _ := strings.Cut(path, "/")
		_, name, _ := strings.Cut(rest, "/")
		switch folder {
		case "labels":
			name = strings.TrimSuffix(name, ".txt") + ".jpg"
			begin(name)
			for line := range strings.Lines(text) {
				rows[name] = append(rows[name], yoloNumbers(t, line))
			}
		case "annotations":
			cocoRows(t, text, begin, rows)
		}
	}
	return rows
}

func yoloNumbers(t *testing.T, line string) []float64 {
	var row []float64
	for _, field := range strings.Fields(line)[1:] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatal(err)
		}
		row = append(row, v)
	}
	return row
}

func cocoRows(t *testing.T, text string, begin func(string), rows map[string][][]float64) {
	t.Helper()
	var file struct {
		Images []struct {
			ID   int
			File string `json:"file_name"`
		}
		Annotations []struct {
			Image        int `json:"image_id"`
			BBox         [4]float64
			Segmentation [][]float64
			Keypoints    []float64
			Crowd        int `json:"iscrowd"`
		}
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	names := map[int]string{}
	for _, im := range file.Images {
		begin(im.File)
		names[im.ID] = im.File
	}
	for _, a := range file.Annotations {
		b := a.BBox
		row := fractions(b[0]+b[2]/2, b[1]+b[3]/2, b[2], b[3])
		if len(a.Segmentation) > 0 {
			row = fractions(a.Segmentation[0]...)
		}
		for i := 0; i+2 < len(a.Keypoints); i += 3 {
			row = append(append(row, fractions(a.Keypoints[i:i+2]...)...), a.Keypoints[i+2])
		}
		rows[names[a.Image]] = append(rows[names[a.Image]], row)
	}
}
