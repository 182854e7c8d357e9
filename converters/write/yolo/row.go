package yolo

import (
	"bytes"
	"strconv"

	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// nudge is one unit of the last decimal that is written.
const nudge = 1e-6

// maxNudges bounds how far a polygon is nudged away from others with its box.
const maxNudges = 100

// labeler writes the rows of one image. It belongs to one goroutine.
type labeler struct {
	width, height float64
	clean         []labels.Object
	text          []byte
	rows          [][]byte            // of the image so far, slices of text
	many          map[string]struct{} // the same, when there are many
	ring          []float64
	keys          [][5]int64 // class and bounding box of every polygon so far
	classes       []int      // of the rows that were written
}

func (l *labeler) start(width, height int) {
	l.width, l.height = float64(width), float64(height)
	l.text, l.rows, l.keys, l.classes = l.text[:0], l.rows[:0], l.keys[:0], l.classes[:0]
	l.many = nil
}

// add writes the row of an object; false when the image has that row already.
func (l *labeler) add(o *labels.Object) bool {
	from := len(l.text)
	if o.Rings != nil {
		rings := o.Rings
		if o.Mask == nil { // regions of a mask never overlap
			rings = geometry.Unite(rings)
		}
		l.ring = append(l.ring[:0], geometry.Merge(rings)...)
		l.polygon(o.Class)
	} else {
		l.plain(o)
	}
	row := l.text[from:]
	if l.seen(row) {
		l.text = l.text[:from]
		return false
	}
	if o.Rings != nil && l.boxTaken(o.Class) {
		l.rows[len(l.rows)-1] = bytes.Clone(row)
		for tries := 0; tries < maxNudges && l.shrink() && l.boxTaken(o.Class); tries++ {
		}
		l.text = l.text[:from]
		l.polygon(o.Class)
	}
	l.text = append(l.text, '\n')
	l.classes = append(l.classes, o.Class)
	return true
}

// plain writes a class, a box and keypoints, if any.
func (l *labeler) plain(o *labels.Object) {
	l.text = strconv.AppendInt(l.text, int64(o.Class), 10)
	b := o.Box
	l.number((b[0] + b[2]) / 2 / l.width)
	l.number((b[1] + b[3]) / 2 / l.height)
	l.number((b[2] - b[0]) / l.width)
	l.number((b[3] - b[1]) / l.height)
	for i := 0; i < len(o.Keypoints); i += 3 {
		l.number(o.Keypoints[i] / l.width)
		l.number(o.Keypoints[i+1] / l.height)
		l.text = append(l.text, ' ', '0'+byte(o.Keypoints[i+2]))
	}
}

// polygon writes the class and l.ring.
func (l *labeler) polygon(class int) {
	l.text = strconv.AppendInt(l.text, int64(class), 10)
	for i := 0; i+1 < len(l.ring); i += 2 {
		l.number(l.ring[i] / l.width)
		l.number(l.ring[i+1] / l.height)
	}
}

// few is up to how many rows a scan is faster than a set.
const few = 24

// seen reports whether the image has the row already, and remembers it. Readers
// drop rows that repeat, so we do, where it can be counted.
func (l *labeler) seen(row []byte) bool {
	if l.many == nil {
		for _, r := range l.rows {
			if bytes.Equal(r, row) {
				return true
			}
		}
		l.rows = append(l.rows, row)
		if len(l.rows) <= few {
			return false
		}
		l.many = make(map[string]struct{}, 4*few)
		for _, r := range l.rows {
			l.many[string(r)] = struct{}{}
		}
		return false
	}
	if _, twice := l.many[string(row)]; twice {
		return true
	}
	l.many[string(row)] = struct{}{}
	return false
}

// number writes six decimals, as Python's "%.6f" does.
func (l *labeler) number(v float64) {
	l.text = appendDecimal(append(l.text, ' '), v)
}

// boxTaken reports whether another polygon of the class has the same bounding
// box as l.ring, in the decimals that are written, and remembers it when not.
// Older readers take two such rows for duplicates and drop one.
func (l *labeler) boxTaken(class int) bool {
	b := geometry.Bounds(l.ring)
	key := [5]int64{int64(class), micros(b[0] / l.width), micros(b[1] / l.height), micros(b[2] / l.width), micros(b[3] / l.height)}
	for _, k := range l.keys {
		if k == key {
			return true
		}
	}
	l.keys = append(l.keys, key)
	return false
}

// shrink moves the right edge of the ring in by the last decimal; false when the
// ring is too narrow for that.
func (l *labeler) shrink() bool {
	b := geometry.Bounds(l.ring)
	if (b[2]-b[0])/l.width < 4*nudge {
		return false
	}
	right := b[2] - nudge*l.width
	for i := 0; i < len(l.ring); i += 2 {
		l.ring[i] = min(l.ring[i], right)
	}
	return true
}
