package coco

import (
	"encoding/json"
	"strconv"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

func (w *writer) add(text string)    { w.text = append(w.text, text...) }
func (w *writer) whole(v int64)      { w.text = strconv.AppendInt(w.text, v, 10) }
func (w *writer) real(v float64)     { w.text = strconv.AppendFloat(w.text, v, 'f', -1, 64) }
func (w *writer) quoted(text string) { b, _ := json.Marshal(text); w.text = append(w.text, b...) }

func (w *writer) reals(list []float64) {
	w.add("[")
	for i, v := range list {
		if i > 0 {
			w.add(", ")
		}
		w.real(v)
	}
	w.add("]")
}

func (w *writer) image(im *plan.Image) {
	w.add(`{"id": `)
	w.whole(w.ids[im.Index])
	w.add(`, "file_name": `)
	w.quoted(im.Rel)
	w.add(`, "width": `)
	w.whole(int64(im.Width))
	w.add(`, "height": `)
	w.whole(int64(im.Height))
	w.add("}")
}

func (w *writer) annotation(image int64, o *labels.Object) {
	w.last++
	w.add(`{"id": `)
	w.whole(w.last)
	w.add(`, "image_id": `)
	w.whole(image)
	w.add(`, "category_id": `)
	w.whole(int64(o.Class) + 1)
	w.add(`, "bbox": `)
	b := o.Box
	w.reals([]float64{b[0], b[1], b[2] - b[0], b[3] - b[1]})
	w.add(`, "area": `)
	w.real(area(o))
	w.add(`, "iscrowd": `)
	w.whole(map[bool]int64{true: 1}[o.Crowd])
	w.add(`, "segmentation": `)
	w.segmentation(o)
	if o.Keypoints != nil {
		w.keypoints(o.Keypoints)
	}
	w.add("}")
}

// segmentation keeps a mask as it is: tracing it would lose its holes.
func (w *writer) segmentation(o *labels.Object) {
	if o.Mask != nil {
		w.add(`{"size": [`)
		w.whole(int64(o.Mask.Height))
		w.add(", ")
		w.whole(int64(o.Mask.Width))
		w.add(`], "counts": [`)
		for i, n := range o.Mask.Counts {
			if i > 0 {
				w.add(", ")
			}
			w.whole(int64(n))
		}
		w.add("]}")
		return
	}
	w.add("[")
	for i, r := range o.Rings {
		if i > 0 {
			w.add(", ")
		}
		w.reals(r)
	}
	w.add("]")
}

func (w *writer) keypoints(points []float64) {
	labelled := int64(0)
	for i := 2; i < len(points); i += 3 {
		if points[i] > 0 {
			labelled++
		}
	}
	w.add(`, "keypoints": `)
	w.reals(points)
	w.add(`, "num_keypoints": `)
	w.whole(labelled)
}

// area is what COCO calls area: of the mask or the polygons, else of the box.
func area(o *labels.Object) float64 {
	switch {
	case o.Mask != nil:
		return maskArea(o.Mask)
	case o.Rings != nil:
		return geometry.Covered(o.Rings)
	}
	return (o.Box[2] - o.Box[0]) * (o.Box[3] - o.Box[1])
}

func maskArea(m *dataset.RLE) float64 {
	sum := 0
	for i := 1; i < len(m.Counts); i += 2 {
		sum += int(m.Counts[i])
	}
	return float64(sum)
}

func (w *writer) categories() {
	for i, c := range w.Catalog.Classes {
		if i > 0 {
			w.add(",\n")
		}
		w.add(`{"id": `)
		w.whole(int64(i) + 1)
		w.add(`, "name": `)
		w.quoted(c.Name)
		w.add(`, "supercategory": ""`)
		if w.Rules.Skeleton.Points > 0 {
			w.add(`, "keypoints": [`)
			for k := range w.Rules.Skeleton.Points {
				if k > 0 {
					w.add(", ")
				}
				name := "point " + strconv.Itoa(k)
				if len(w.Catalog.KeypointNames) == w.Rules.Skeleton.Points {
					name = w.Catalog.KeypointNames[k]
				}
				w.quoted(name)
			}
			w.add(`], "skeleton": []`)
		}
		w.add("}")
	}
}
