package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
)

// labelled reads samples from the dataset's own annotations. It understands what
// make_shapes.py and the platform write; what it does not, it leaves out, since
// reading every shape of the format is the agent's work.
func (h *handler) labelled(ctx context.Context, dataset string) ([]sample, error) {
	a, err := h.open(ctx, dataset)
	if err != nil {
		return nil, err
	}
	body, err := a.annotations()
	if err != nil {
		return nil, err
	}
	return parseAnnotations(body)
}

type platformImage struct {
	File        string            `json:"file_name"`
	Annotation  *platformLabel    `json:"annotation"`
	Annotations []json.RawMessage `json:"annotations"`
}

type platformLabel struct {
	Class     string          `json:"class_name"`
	Box       []float64       `json:"bbox"` // x, y, width, height
	Polygons  json.RawMessage `json:"segmentation"`
	Keypoints json.RawMessage `json:"keypoints"`
}

func parseAnnotations(body []byte) ([]sample, error) {
	var file struct {
		Images []platformImage `json:"images"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, fmt.Errorf("reading the dataset's annotations: %w", err)
	}
	list := []sample{}
	for _, i := range spread(len(file.Images)) {
		list = append(list, file.Images[i].sample())
	}
	return list, nil
}

func (p platformImage) sample() sample {
	s := sample{File: p.File, Labels: []shape{}}
	if p.Annotation != nil {
		s.Labels = append(s.Labels, shape{Class: p.Annotation.Class})
	}
	for _, raw := range p.Annotations {
		var label platformLabel
		if json.Unmarshal(raw, &label) == nil {
			s.Labels = append(s.Labels, label.shape())
		}
	}
	return s
}

func (l platformLabel) shape() shape {
	s := shape{Class: l.Class}
	if len(l.Box) == 4 {
		s.Box = []float64{l.Box[0], l.Box[1], l.Box[0] + l.Box[2], l.Box[1] + l.Box[3]}
	}
	if json.Unmarshal(l.Polygons, &s.Polygons) != nil {
		s.Polygons = nil // run-length encoded
	}
	if json.Unmarshal(l.Keypoints, &s.Keypoints) != nil {
		s.Keypoints = nil // nested
	}
	return s
}

// image sends one image of a dataset.
func (h *handler) image(w http.ResponseWriter, r *http.Request) {
	a, err := h.open(r.Context(), r.PathValue("dataset"))
	var body []byte
	if err == nil {
		body, err = a.read(r.URL.Query().Get("file"))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, err.Error())
		return
	case err != nil:
		refuseStore(w, err)
		return
	}
	w.Header().Set("Content-Security-Policy", "sandbox")
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Header().Set("Content-Type", imageType(body))
	_, _ = w.Write(body) // the client is gone when this fails
}

// imageType is the image's type, and harmless for what is none.
func imageType(body []byte) string {
	switch t := http.DetectContentType(body); t {
	case "image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp":
		return t
	}
	return "application/octet-stream"
}
