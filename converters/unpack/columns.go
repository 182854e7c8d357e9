package unpack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// columns are the features of a table: as the library declares them, else as its
// schema looks.
type columns []column

type column struct {
	name  string
	image bool     // bytes and path of an image
	class bool     // a ClassLabel at the column
	parts []string // of a struct, or of a list of them

	feature any // as the library declares it; nil where it does not
}

// features reads the JSON that the library keeps in a table's metadata.
func features(text string) columns {
	var meta struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if json.Unmarshal([]byte(text), &meta) != nil {
		return nil
	}
	var list columns
	for name, raw := range meta.Info.Features {
		var kind struct {
			Type string `json:"_type"`
		}
		_ = json.Unmarshal(raw, &kind)
		c := column{name: name, image: kind.Type == "Image", class: kind.Type == "ClassLabel"}
		if json.Unmarshal(raw, &c.feature) == nil {
			c.parts = sortedKeys(fieldsOf(c.feature))
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b column) int { return strings.Compare(a.name, b.name) })
	return list
}

// namesWithin finds the names of the first ClassLabel.
func namesWithin(v any) []string {
	switch v := v.(type) {
	case map[string]any:
		if v["_type"] == "ClassLabel" {
			return stringsOf(v["names"])
		}
		for _, key := range sortedKeys(v) {
			if names := namesWithin(v[key]); names != nil {
				return names
			}
		}
	case []any:
		for _, part := range v {
			if names := namesWithin(part); names != nil {
				return names
			}
		}
	}
	return nil
}

// fieldsOf are those of a struct, a list of structs, or an old Sequence of one.
func fieldsOf(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		if inner, ok := v["feature"]; ok {
			return fieldsOf(inner)
		}
		if _, leaf := v["_type"]; !leaf {
			return v
		}
	case []any:
		if len(v) == 1 {
			return fieldsOf(v[0])
		}
	}
	return nil
}

func stringsOf(v any) (list []string) {
	parts, _ := v.([]any)
	for _, part := range parts {
		text, _ := part.(string)
		list = append(list, text)
	}
	return list
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (c columns) images() (list []column) {
	for _, x := range c {
		if x.image {
			list = append(list, x)
		}
	}
	return list
}

func (c columns) names() string {
	var list []string
	for _, x := range c {
		list = append(list, x.name)
	}
	return strings.Join(list, ", ")
}

// use is which column a task takes for what; empty where it takes none.
type use struct {
	image, label, mask string
	objects            string
	category           string // of objects
	classes            []string
	others             []string // columns that would serve as well as one that is taken
}

// names are the columns that are taken.
func (u use) names() []string { return []string{u.image, u.label, u.mask, u.objects} }

// The names that people give to columns, the most usual first.
var (
	imageNames    = []string{"image", "img", "images", "pixel_values", "jpg", "png"}
	maskNames     = []string{"annotation", "mask", "label", "labels", "segmentation_mask", "semantic", "seg", "gt"}
	labelNames    = []string{"label", "labels", "class", "category", "fine_label", "target"}
	objectNames   = []string{"objects", "annotations", "object", "annotation"}
	categoryNames = []string{"category", "categories", "category_id", "label", "labels", "class", "class_id"}
)

func (c columns) forTask(task contract.TaskType) (use, error) {
	u := use{classes: []string{}}
	pictures := filter(c, func(x column) bool { return x.image && !slices.Contains(maskNames, x.name) })
	if pictures == nil {
		pictures = c.images()
	}
	if pictures == nil {
		return u, c.lack(task, "a column of images")
	}
	var err error
	if u.image, err = u.choose("of images", imageNames, pictures); err != nil {
		return u, err
	}
	switch task {
	case contract.TaskImageClassification, contract.TaskZeroShotClassification:
		err = u.ofClasses(c, task)
	case contract.TaskSemanticSegmentation:
		err = u.ofMasks(c, task)
	case contract.TaskObjectDetection:
		err = u.ofObjects(c, task)
	default:
		err = c.lack(task, "what these tables do not hold in a form that is read here")
	}
	return u, err
}

// lack refuses tables for what they do not have.
func (c columns) lack(task contract.TaskType, what string) error {
	return contract.Failf(contract.CodeDatasetInvalid, "The dataset is one of Hugging Face Datasets and has the columns %s; %s needs %s.", c.names(), task, what).
		WithHint("Choose a task that the columns serve, or write the dataset with such a column.")
}

func (u *use) ofClasses(c columns, task contract.TaskType) (err error) {
	found := filter(c, func(x column) bool { return x.class })
	if found == nil {
		found = filter(c, func(x column) bool { return !x.image && slices.Contains(labelNames, x.name) && x.parts == nil })
	}
	if found == nil {
		return c.lack(task, "a column of classes (ClassLabel), such as label")
	}
	if u.label, err = u.choose("of classes", labelNames, found); err == nil {
		u.classes = append(u.classes, namesWithin(c.at(u.label).feature)...)
	}
	return err
}

func (u *use) ofMasks(c columns, task contract.TaskType) (err error) {
	others := filter(c, func(x column) bool { return x.image && x.name != u.image })
	if others == nil {
		return c.lack(task, "a second column of images with the masks, such as annotation")
	}
	u.others = nil // one of them is the mask
	u.mask, err = u.choose("of masks", maskNames, others)
	return err
}

func (u *use) ofObjects(c columns, task contract.TaskType) (err error) {
	found := filter(c, func(x column) bool { return slices.Contains(x.parts, "bbox") })
	if found == nil {
		return c.lack(task, "a column of objects with bbox and category")
	}
	if u.objects, err = u.choose("of objects", objectNames, found); err != nil {
		return err
	}
	objects := c.at(u.objects)
	i := slices.IndexFunc(categoryNames, func(name string) bool { return slices.Contains(objects.parts, name) })
	if i < 0 {
		return c.lack(task, "a category beside bbox in the column "+u.objects)
	}
	u.category = categoryNames[i]
	u.classes = append(u.classes, namesWithin(fieldsOf(objects.feature)[u.category])...)
	return nil
}

// choose is the one of several columns that has the most usual name; the others are
// noted. Where none has such a name, which one is meant is not known.
func (u *use) choose(of string, usual []string, list []column) (string, error) {
	name := pick(usual, list)
	if len(list) > 1 && !slices.Contains(usual, name) {
		return "", contract.Failf(contract.CodeDatasetInvalid, "The tables have several columns %s, and which one is meant is not known: %s.", of, columns(list).names()).
			WithHint("Call the one to use %s, or leave the others out.", usual[0])
	}
	for _, x := range list {
		if x.name != name {
			u.others = append(u.others, fmt.Sprintf("%s, beside %s", x.name, name))
		}
	}
	return name, nil
}

func (c columns) at(name string) column {
	i := slices.IndexFunc(c, func(x column) bool { return x.name == name })
	return c[i]
}

func filter(c columns, keep func(column) bool) (list []column) {
	for _, x := range c {
		if keep(x) {
			list = append(list, x)
		}
	}
	return list
}

// pick is the column with the most usual name, else the first.
func pick(usual []string, list []column) string {
	for _, name := range usual {
		if slices.ContainsFunc(list, func(x column) bool { return x.name == name }) {
			return name
		}
	}
	return list[0].name
}
