package masks

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// ignored is the value that counts nowhere, of Pascal VOC and all who follow it.
const ignored value = 255

// names is what the dataset says of its classes.
type names struct {
	list    []string         // by value; nil when nothing is said
	colours map[value]string // CVAT's labelmap.txt; nil without one
}

const maxNamesBytes = 16 << 20

// lists are the files of names, the first that is there.
var lists = []string{"labelmap.txt", "classes.txt", "labels.txt", "class_names.txt", "categories.txt", "codes.txt"}

func readNames(f *layout.Folder) (names, error) {
	for _, file := range lists {
		if !f.Has(file) {
			continue
		}
		text, err := f.ReadText(file, maxNamesBytes)
		if err != nil {
			return names{}, err
		}
		if file == "labelmap.txt" {
			return labelMap(text), nil
		}
		return names{list: lines(text)}, nil
	}
	return names{}, nil
}

// lines are the names in order. LabelMe's list begins with __ignore__, for -1.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && (len(list) > 0 || line != "__ignore__") {
			list = append(list, line)
		}
	}
	return list
}

// labelMap reads CVAT's: name:red,green,blue:parts:actions.
func labelMap(text string) names {
	n := names{colours: make(map[value]string)}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		n.list = append(n.list, fields[0])
		if c, ok := colourOf(fields[1]); ok {
			n.colours[c] = fields[0]
		}
	}
	if len(n.colours) == 0 {
		n.colours = nil
	}
	return n
}

// colourOf reads red,green,blue, each of 0 to 255.
func colourOf(text string) (value, bool) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return 0, false
	}
	var c [3]uint8
	for i, part := range parts {
		v, err := strconv.ParseUint(strings.TrimSpace(part), 10, 8)
		if err != nil {
			return 0, false
		}
		c[i] = uint8(v)
	}
	return colour(c[0], c[1], c[2]), true
}

// isBackground reports whether a name is of what belongs to no class.
func isBackground(name string) bool {
	switch strings.ToLower(strings.Trim(name, "_")) {
	case "background", "unlabeled", "unlabelled", "void":
		return true
	}
	return false
}

// give adds the areas as objects of their classes, and returns these in order.
func (n names) give(found []area, out *layout.Collector, problems *problem.List) (declared []string, err error) {
	of, declared := n.rule(found, problems)
	var first string
	if len(declared) > 0 {
		first = declared[0]
	}
	for _, a := range found {
		class, crowd, counts := of(a.value)
		switch {
		case crowd && first != "":
			err = out.Object(a.image, first, dataset.Object{RLE: a.mask, Crowd: true})
		case counts:
			err = out.Object(a.image, class, dataset.Object{RLE: a.mask})
		}
		if err != nil {
			return nil, err
		}
	}
	return declared, nil
}

// rule decides which class a value is, from all that there are.
func (n names) rule(found []area, problems *problem.List) (of func(value) (class string, crowd, counts bool), declared []string) {
	if n.colours != nil {
		return n.byColour(problems), slices.DeleteFunc(slices.Clone(n.list), isBackground)
	}
	values := distinct(found)
	if len(values) > 0 && values[len(values)-1]&isColour != 0 {
		problems.Add(problem.AnnotationUnreadable, 0, "masks have colours such as %s, and no labelmap.txt says which class each is (name:red,green,blue)", values[len(values)-1])
		return func(value) (string, bool, bool) { return "", false, false }, nil
	}
	if binary(values) {
		name := "object"
		switch classes := slices.DeleteFunc(slices.Clone(n.list), isBackground); len(classes) {
		case 0:
		case 1:
			name = classes[0]
		default:
			problems.Add(problem.UnknownClass, 0, "the masks are black and white, and which of the %d classes of the list is white is not said", len(classes))
		}
		return func(v value) (string, bool, bool) { return name, false, v != 0 }, []string{name}
	}
	list := n.list
	largest := largestOf(values)
	switch {
	case list == nil:
		if n := between(found); n > 0 {
			problems.Add(problem.AnnotationUnreadable, 0, "masks are black and white with smoothed edges (%d values between); write 0 and 255 alone, or name the classes in classes.txt", n)
		}
		problems.Add(problem.ClassWithoutName, 0, "values up to %d, of which 0 is background", largest)
		list = []string{"background"}
		for v := value(1); v <= largest; v++ {
			list = append(list, strconv.Itoa(int(v)))
		}
	case int(largest) == len(list) && !isBackground(list[0]): // values from 1: 0 is background, which the list leaves out
		list = append([]string{"background"}, list...)
	}
	return func(v value) (string, bool, bool) {
		switch {
		case int(v) < len(list):
			return list[v], false, !isBackground(list[v])
		case v == ignored:
			return "", true, true
		}
		problems.Add(problem.UnknownClass, 0, "value %d; the list has %d classes", v, len(list))
		return "", false, false
	}, slices.DeleteFunc(slices.Clone(list), isBackground)
}

func (n names) byColour(problems *problem.List) func(value) (string, bool, bool) {
	return func(v value) (string, bool, bool) {
		name, known := n.colours[v]
		if !known {
			problems.Add(problem.UnknownClass, 0, "colour %s is not in labelmap.txt", v)
		}
		return name, false, known && !isBackground(name)
	}
}

func distinct(found []area) []value {
	var list []value
	for _, a := range found {
		list = append(list, a.value)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// binary masks are black and white: white is the one class, not what is ignored.
func binary(values []value) bool {
	return slices.Equal(values, []value{0, ignored}) || slices.Equal(values, []value{ignored})
}

// fewBetween is how many values between black and white may be classes of their own.
const fewBetween = 8

// between counts the values between black and white where these cover nearly all:
// resizing and JPEG smooth the edges of a mask, and none of the values is a class.
func between(found []area) int {
	values := make(map[value]bool)
	var all, white, rest uint64
	for _, a := range found {
		n := a.pixels()
		all += n
		switch a.value {
		case 0:
		case ignored:
			white += n
		default:
			rest += n
			values[a.value] = true
		}
	}
	if len(values) < fewBetween || rest >= white || 10*rest > all {
		return 0
	}
	return len(values)
}

func largestOf(values []value) (largest value) {
	for _, v := range values {
		if v != ignored {
			largest = max(largest, v)
		}
	}
	return largest
}
