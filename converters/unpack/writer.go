package unpack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/vision-platform/trainer-agent/contract"
)

// writer makes the folder.
type writer struct {
	dir       string
	use       use
	validates bool // the dataset has images for validation
	rows      int
	file      *os.File // annotations.json
	out       *bufio.Writer
	classes   map[string]int // that were met where nothing declares them
	order     []string
}

// image is an entry of annotations.json, in the Platform Format.
type image struct {
	ID          int      `json:"id"`
	File        string   `json:"file_name"`
	Split       *string  `json:"split"`
	Annotation  *label   `json:"annotation,omitempty"`
	Annotations []object `json:"annotations,omitempty"`
}

type label struct {
	Class int `json:"class_id"`
}

type object struct {
	Class int       `json:"class_id"`
	Box   []float64 `json:"bbox"`
}

type class struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

func (w *writer) row(row map[string]any, split contract.Split) error {
	content, err := imageBytes(row[w.use.image])
	if err != nil {
		return fmt.Errorf("column %s: %w", w.use.image, err)
	}
	folder := "images"
	if split != "" {
		folder += "/" + string(split)
	}
	name := fmt.Sprintf("%07d", w.rows)
	file := folder + "/" + name + suffix(content)
	if err := w.write(file, content); err != nil {
		return err
	}
	if w.use.mask != "" {
		mask, err := imageBytes(row[w.use.mask])
		if err != nil {
			return fmt.Errorf("column %s: %w", w.use.mask, err)
		}
		return w.write("masks"+folder[len("images"):]+"/"+name+suffix(mask), mask)
	}
	entry := image{ID: w.rows, File: file[len("images/"):], Split: w.splitOf(split)}
	if w.use.objects != "" {
		entry.Annotations, err = w.objects(row[w.use.objects])
	} else {
		var c int
		c, err = w.class(row[w.use.label])
		entry.Annotation = &label{c}
	}
	if err != nil {
		return err
	}
	return w.entry(entry)
}

// splitOf is null for images that a dataset without validation has not shared out.
func (w *writer) splitOf(split contract.Split) *string {
	if split == "" || split == contract.SplitTrain && !w.validates {
		return nil
	}
	text := string(split)
	return &text
}

func imageBytes(v any) ([]byte, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("there is no image (%T)", v)
	}
	switch content := m["bytes"].(type) {
	case []byte:
		if len(content) > 0 {
			return content, nil
		}
	case string:
		if content != "" {
			return []byte(content), nil
		}
	}
	return nil, errors.New("the image is not in the table but somewhere else; save the dataset with its images embedded")
}

var magics = []struct{ magic, suffix string }{
	{"\xff\xd8", ".jpg"}, {"\x89PNG", ".png"}, {"GIF8", ".gif"}, {"BM", ".bmp"}, {"II*\x00", ".tif"}, {"MM\x00*", ".tif"}, {"RIFF", ".webp"},
}

// suffix goes by the content; an unknown one is the reader's to judge.
func suffix(content []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(content, []byte(m.magic)) {
			return m.suffix
		}
	}
	return ".jpg"
}

func (w *writer) write(name string, content []byte) error {
	file := filepath.Join(w.dir, filepath.FromSlash(name))
	err := os.WriteFile(file, content, 0o644)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			err = os.WriteFile(file, content, 0o644)
		}
	}
	return err
}

// class is the index of a class: a ClassLabel's number, or a value of its own.
func (w *writer) class(v any) (int, error) {
	var name string
	switch v := v.(type) {
	case int32:
		return w.class(int64(v))
	case uint32:
		return w.class(int64(v))
	case int64:
		switch declared := int64(len(w.use.classes)); {
		case declared == 0:
			name = strconv.FormatInt(v, 10)
		case v >= 0 && v < declared:
			return int(v), nil
		default:
			return 0, fmt.Errorf("the class %d is none of the %d that are declared", v, declared)
		}
	case string:
		name = v
	case []byte:
		name = string(v)
	case bool:
		name = strconv.FormatBool(v)
	default:
		return 0, fmt.Errorf("there is no class (%T)", v)
	}
	if len(w.use.classes) > 0 {
		if i := slices.Index(w.use.classes, name); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("the class %q is none of the %d that are declared", name, len(w.use.classes))
	}
	if w.classes == nil {
		w.classes = make(map[string]int)
	}
	i, known := w.classes[name]
	if !known {
		i = len(w.order)
		w.classes[name] = i
		w.order = append(w.order, name)
	}
	return i, nil
}

// objects reads a struct of lists, as the library keeps a list of structs, or a list.
func (w *writer) objects(v any) ([]object, error) {
	var boxes, categories []any
	switch v := v.(type) {
	case nil:
	case map[string]any:
		boxes, _ = v["bbox"].([]any)
		categories, _ = v[w.use.category].([]any)
	case []any:
		for _, part := range v {
			m, _ := part.(map[string]any)
			boxes, categories = append(boxes, m["bbox"]), append(categories, m[w.use.category])
		}
	}
	if len(boxes) != len(categories) {
		return nil, fmt.Errorf("it has %d boxes and %d categories", len(boxes), len(categories))
	}
	var list []object
	for i := range boxes {
		numbers, _ := boxes[i].([]any)
		o := object{Box: make([]float64, 0, 4)}
		for _, n := range numbers {
			f, err := number(n)
			if err != nil {
				return nil, err
			}
			o.Box = append(o.Box, f)
		}
		var err error
		if o.Class, err = w.class(categories[i]); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func number(v any) (float64, error) {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	case int64:
		f = float64(v)
	case int32:
		f = float64(v)
	default:
		return 0, fmt.Errorf("a box has a %T in it", v)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("a box has a number in it that is not finite")
	}
	return f, nil
}

func (w *writer) entry(i image) error {
	lead := ",\n"
	if w.file == nil {
		f, err := os.Create(filepath.Join(w.dir, "annotations.json"))
		if err != nil {
			return err
		}
		w.file, w.out = f, bufio.NewWriterSize(f, 1<<20)
		lead = `{"format_version": "1.0", "dataset_id": "huggingface", "images": [` + "\n"
	}
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	_, err = w.out.Write(append([]byte(lead), text...))
	return err
}

// finish ends annotations.json with the classes, which are known now.
func (w *writer) finish() error {
	switch {
	case w.rows == 0:
		return contract.Failf(contract.CodeDatasetInvalid, "The dataset's tables have no rows.")
	case w.file == nil:
		return nil // masks
	}
	var list []class
	for i, name := range append(slices.Clone(w.use.classes), w.order...) {
		list = append(list, class{i, name})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(w.out, "\n], \"classes\": %s}\n", text); err == nil {
		err = w.out.Flush()
	}
	err = errors.Join(err, w.file.Close())
	w.file = nil
	return err
}

// close ends what was broken off.
func (w *writer) close() {
	if w.file != nil {
		_ = w.file.Close()
	}
}
