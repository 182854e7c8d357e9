package yolo

import (
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// LabelPath is Ultralytics' rule: the last /images/ of the path becomes
// /labels/, the last suffix .txt; without /images/ the label is beside the image.
func LabelPath(image string) string {
	slashed := "/" + image
	if at := strings.LastIndex(slashed, "/images/"); at >= 0 {
		slashed = slashed[:at] + "/labels/" + slashed[at+len("/images/"):]
	}
	if at := strings.LastIndexByte(slashed, '.'); at >= 0 {
		slashed = slashed[:at]
	}
	return slashed[1:] + ".txt"
}

// labels reads the label file of every image.
func (r *reader) labels() error {
	r.highest = -1
	var missing []int
	for i, im := range r.c.Images {
		name := LabelPath(im.File)
		if !r.Has(name) {
			missing = append(missing, i)
			continue
		}
		info, err := os.Stat(r.Path(name))
		if err != nil {
			return fmt.Errorf("reading a label file: %w", err)
		}
		if info.Size() > maxConfigBytes {
			r.problems.Add(problem.BadLabelRow, i, "%s has %d bytes", name, info.Size())
			continue
		}
		text, err := os.ReadFile(r.Path(name))
		if err != nil {
			return fmt.Errorf("reading a label file: %w", err)
		}
		r.labelled++
		r.file(int32(i), name, strings.TrimPrefix(string(text), "\ufeff"))
	}
	kind := problem.NoLabelFile
	if r.labelled == 0 {
		kind = problem.NoLabelFiles
	}
	for _, i := range missing {
		r.problems.Add(kind, i, "%q", LabelPath(r.c.Images[i].File))
	}
	return nil
}

func (r *reader) file(image int32, name, text string) {
	for n, line := range strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' }) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		o, wrong := r.row(fields)
		if wrong != "" {
			r.problems.Add(problem.BadLabelRow, int(image), "%s row %d %s", path.Base(name), n+1, wrong)
			continue
		}
		o.Image, o.ID = image, dataset.NoID
		r.highest = max(r.highest, int(o.Class))
		r.c.Objects.Append(o)
	}
}

// tolerance is how far outside of the image Ultralytics lets a coordinate be.
const tolerance = 0.01

// row reads one row as verify_image_label does, or says what is wrong with it.
func (r *reader) row(fields []string) (o dataset.Object, wrong string) {
	values := make([]float64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return o, fmt.Sprintf("has %q where a number belongs", f)
		}
		values[i] = v
	}
	class := values[0]
	if class != math.Trunc(class) || class < 0 || class > 1<<20 || (r.config.NC > 0 && class >= float64(r.config.NC)) {
		return o, fmt.Sprintf("has class %s", fields[0])
	}
	o.Class, o.Format = int32(class), dataset.CXCYWHNormalized
	points := values[1:]
	switch {
	case r.Task == contract.TaskPoseEstimation:
		return r.pose(o, points)
	case len(points) == 4:
		return r.box(o, points)
	case len(points) < 6 || len(points)%2 != 0:
		return o, fmt.Sprintf("has %d columns", len(fields))
	case outOfRange(points):
		return o, "has a coordinate outside of 0 to 1"
	}
	o.Polygons = [][]float64{r.numbers.Copy(points)}
	return o, ""
}

func (r *reader) box(o dataset.Object, points []float64) (dataset.Object, string) {
	if outOfRange(points) || points[2] < 0 || points[3] < 0 {
		return o, "has a coordinate outside of 0 to 1"
	}
	o.HasBox = true
	copy(o.Box[:], points)
	return o, ""
}

func (r *reader) pose(o dataset.Object, values []float64) (dataset.Object, string) {
	if len(r.config.KptShape) != 2 || r.config.KptShape[0] < 1 || (r.config.KptShape[1] != 2 && r.config.KptShape[1] != 3) {
		return o, "is for a pose, and data.yaml has no kpt_shape"
	}
	n, dims := r.config.KptShape[0], r.config.KptShape[1]
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
