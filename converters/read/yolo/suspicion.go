package yolo

import "math"

// suspicion looks for rows that are a box and keypoints where no kpt_shape says so:
// they would be read as polygons, and be wrong without a word. All rows have the
// same columns, and the points of every row lie in the box that its first columns
// are; or there are three numbers a point, of which the third is a visibility.
type suspicion struct {
	rows    int
	columns int  // of the first row
	broken  bool // a row that is no pose was seen
	flagged bool // the third numbers are visibilities in every row
}

// minPoseRows is how many rows it takes: one alone may be a polygon whose points
// happen to lie so.
const minPoseRows = 3

func (s *suspicion) look(values []float64) {
	if s.broken || len(values) == 0 {
		return
	}
	if s.rows++; s.rows == 1 {
		s.columns, s.flagged = len(values), true
	}
	if len(values) != s.columns || len(values) < 7 {
		s.broken = true
		return
	}
	s.flagged = s.flagged && flags(values)
	if !s.flagged && !inBox(values) {
		s.broken = true
	}
}

func (s *suspicion) sure() bool { return !s.broken && s.rows >= minPoseRows }

// flags reports whether the columns behind the box are points with a visibility.
func flags(values []float64) bool {
	points := values[5:]
	if len(points)%3 != 0 {
		return false
	}
	for i := 2; i < len(points); i += 3 {
		if v := points[i]; v != 0 && v != 1 && v != 2 {
			return false
		}
	}
	return true
}

// inBox reports whether the columns behind the box are points inside of it. A
// point that is not labelled is 0, 0.
func inBox(values []float64) bool {
	x, y, w, h, points := values[1], values[2], values[3], values[4], values[5:]
	if len(points)%2 != 0 || w <= 0 || h <= 0 {
		return false
	}
	for i := 0; i < len(points); i += 2 {
		if points[i] == 0 && points[i+1] == 0 {
			continue
		}
		if math.Abs(points[i]-x) > w/2+tolerance || math.Abs(points[i+1]-y) > h/2+tolerance {
			return false
		}
	}
	return true
}
