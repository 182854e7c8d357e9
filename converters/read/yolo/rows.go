package yolo

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
)

// rowsOf are the columns of every row of a label file, one at a time: together they
// take thirty times the file.
func rowsOf(text string) iter.Seq2[int, []string] {
	return func(yield func(int, []string) bool) {
		n := 0
		for line := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '\n' || c == '\r' }) {
			fields := strings.Fields(line)
			if len(fields) == 0 {
				continue
			}
			if !yield(n, fields) {
				return
			}
			n++
		}
	}
}

// readsAsLabel reports whether all rows are numbers, five or more, of which the first
// is a class, and whether there are any.
func readsAsLabel(text string) (reads, some bool) {
	r := rowReader{task: contract.TaskObjectDetection, classes: -1}
	for _, fields := range rowsOf(text) {
		some = true
		if _, wrong := r.row(fields); wrong != "" && (len(r.values) < 5 || r.values[0] != math.Trunc(r.values[0])) {
			return false, true
		}
	}
	return true, some
}

// rowReader reads rows as verify_image_label does.
type rowReader struct {
	task    contract.TaskType
	shape   []int // kpt_shape, or nil
	classes int   // how many there are; -1 when it is not said
	values  []float64
	numbers dataset.Slab[float64]
}

// tolerance is how far outside of the image Ultralytics lets a coordinate be.
const tolerance = 0.01

// row reads one row, or says what is wrong with it.
func (r *rowReader) row(fields []string) (o dataset.Object, wrong string) {
	r.values = r.values[:0]
	for _, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			r.values = r.values[:0]
			return o, fmt.Sprintf("has %q where a number belongs", f)
		}
		r.values = append(r.values, v)
	}
	class, points := r.values[0], r.values[1:]
	if class != math.Trunc(class) || class < 0 || class >= maxClasses {
		return o, fmt.Sprintf("has class %s", fields[0])
	}
	if r.classes >= 0 && class >= float64(r.classes) {
		return o, fmt.Sprintf("has class %s of %d", fields[0], r.classes)
	}
	o.Class, o.Format = int32(class), dataset.CXCYWHNormalized
	switch {
	case r.task.NeedsKeypoints():
		return r.pose(o, points)
	case len(points) == 4:
		return r.box(o, points)
	case validShape(r.shape):
		if want := 4 + r.shape[0]*r.shape[1]; len(points) != want {
			return o, fmt.Sprintf("has %d columns, not %d as kpt_shape says", len(fields), want+1)
		}
		return r.box(o, points[:4]) // the keypoints say nothing of a box
	case len(points) < 6 || len(points)%2 != 0:
		return o, fmt.Sprintf("has %d columns", len(fields))
	case outOfRange(points):
		return o, "has a coordinate outside of 0 to 1"
	}
	o.Polygons = [][]float64{r.numbers.Copy(points)}
	return o, ""
}

func (r *rowReader) box(o dataset.Object, points []float64) (dataset.Object, string) {
	if outOfRange(points) || points[2] < 0 || points[3] < 0 {
		return o, "has a coordinate outside of 0 to 1"
	}
	o.HasBox = true
	copy(o.Box[:], points)
	return o, ""
}

func (r *rowReader) pose(o dataset.Object, values []float64) (dataset.Object, string) {
	n, dims := r.shape[0], r.shape[1]
	if len(values) != 4+n*dims {
		return o, fmt.Sprintf("has %d columns, not %d", len(values)+1, 5+n*dims)
	}
	for i := 4; i < len(values); i += dims {
		if outOfRange(values[i : i+2]) {
			return o, "has a keypoint outside of 0 to 1"
		}
	}
	o.Dims, o.Keypoints = uint8(dims), r.numbers.Copy(values[4:])
	return r.box(o, values[:4])
}

func outOfRange(values []float64) bool {
	for _, v := range values {
		if v < -tolerance || v > 1+tolerance {
			return true
		}
	}
	return false
}
