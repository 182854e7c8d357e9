package unpack

import (
	"encoding/json"
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
	names []string // of a ClassLabel, at the column or within it
	class bool     // a ClassLabel at the column
	parts []string // of a struct, or of a list of them
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
		var decoded any
		if json.Unmarshal(raw, &decoded) == nil {
			c.names = namesWithin(decoded)
			c.parts = partsOf(decoded)
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

// partsOf are the fields of a struct, a list of structs, or an old Sequence of one.
func partsOf(v any) []string {
	switch v := v.(type) {
	case map[string]any:
		if inner, ok := v["feature"]; ok {
			return partsOf(inner)
		}
		if _, leaf := v["_type"]; !leaf {
			return sortedKeys(v)
		}
	case []any:
		if len(v) == 1 {
			return partsOf(v[0])
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
	keys := make([]string, 0, len(m))
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
	u := use{image: pick(imageNames, c.images()), classes: []string{}}
	refuse := func(what string) (use, error) {
		return u, contract.Failf(contract.CodeDatasetInvalid, "The dataset is one of Hugging Face Datasets and has the columns %s; %s needs %s.", c.names(), task, what).
			WithHint("Choose a task that the columns serve, or write the dataset with such a column.")
	}
	switch task {
	case contract.TaskImageClassification, contract.TaskZeroShotClassification:
		found := filter(c, func(x column) bool { return x.class })
		if found == nil {
			found = filter(c, func(x column) bool { return !x.image && slices.Contains(labelNames, x.name) && x.parts == nil })
		}
		if found == nil {
			return refuse("a column of classes (ClassLabel), such as label")
		}
		u.label = pick(labelNames, found)
		u.classes = c.at(u.label).names
	case contract.TaskSemanticSegmentation:
		others := filter(c, func(x column) bool { return x.image && x.name != u.image })
		if others == nil {
			return refuse("a second column of images with the masks, such as annotation")
		}
		u.mask = pick(maskNames, others)
	case contract.TaskObjectDetection:
		found := filter(c, func(x column) bool { return slices.Contains(x.parts, "bbox") })
		if found == nil {
			return refuse("a column of objects with bbox and category")
		}
		u.objects = pick(objectNames, found)
		i := slices.IndexFunc(categoryNames, func(name string) bool { return slices.Contains(c.at(u.objects).parts, name) })
		if i < 0 {
			return refuse("a category beside bbox in the column " + u.objects)
		}
		u.category, u.classes = categoryNames[i], c.at(u.objects).names
	default:
		return refuse("what these tables do not hold in a form that is read here")
	}
	return u, nil
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
