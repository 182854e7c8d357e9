package platform

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// maxClasses is more than any vocabulary that a classifier is trained on.
const maxClasses = 1_000_000

// declared is one entry of classes or categories.
type declared struct {
	dataset.Class
	key        string   // the id as text
	super      string   // supercategory
	points     []string // names of its keypoints
	background bool
}

// class reads one entry of classes. A list of bare names is taken too: the id
// is then the place in the list.
func (v *vocabulary) class(d *values) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	entry := declared{key: strconv.Itoa(len(v.declared))}
	entry.ID = json.RawMessage(entry.key)
	if c == '{' {
		err = d.s.object(func(key []byte) error { return classField(d, &entry, string(key)) })
	} else {
		entry.Name, err = d.text()
	}
	if err != nil {
		return err
	}
	if entry.key == "-1" || backgroundNames[entry.Name] {
		entry.background = true
	}
	if len(v.declared) >= maxClasses {
		return fmt.Errorf("more than %d classes: %w", maxClasses, errTooLarge)
	}
	v.declared = append(v.declared, entry)
	return nil
}

func classField(d *values, entry *declared, key string) (err error) {
	switch key {
	case "id":
		var c byte
		if c, err = d.s.peek(); err != nil {
			return err
		}
		if entry.key, err = d.text(); err != nil {
			return err
		}
		entry.ID = json.RawMessage(entry.key)
		if c == '"' {
			entry.ID, err = json.Marshal(entry.key)
		}
	case "name":
		entry.Name, err = d.text()
	case "supercategory":
		entry.super, err = d.text()
	case "is_background":
		entry.background, err = d.truth()
	case "keypoints":
		entry.points, err = d.strings(maxKeypoints)
	default:
		err = d.s.skip()
	}
	return err
}

// backgroundNames are those of a class that says that there is none: the
// platform's, and labelme's.
var backgroundNames = map[string]bool{"__background__": true, "_background_": true}

// dropRoot takes out the root that Roboflow puts above the categories of an export:
// the supercategory of all others, with none of its own and without an annotation.
func (d *objects) dropRoot() {
	root := slices.IndexFunc(d.declared, func(c declared) bool { return c.super == "none" })
	if root < 0 || len(d.declared) < 2 {
		return
	}
	c := d.declared[root]
	for i, other := range d.declared {
		if i != root && (other.super != c.Name || other.key == c.key) {
			return
		}
	}
	if _, used := d.classes.index[c.key]; used {
		return
	}
	d.problems.Add(problem.RootCategory, 0, "%q, id %s", c.Name, c.ID)
	d.declared = slices.Delete(d.declared, root, root+1)
}

// compareIDs puts numbers before strings, numbers by value.
func compareIDs(a, b declared) int {
	x, errX := strconv.ParseInt(string(a.ID), 10, 64)
	y, errY := strconv.ParseInt(string(b.ID), 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	number := func(d declared) int {
		if d.ID[0] == '"' {
			return 1
		}
		return 0
	}
	return cmp.Or(number(a)-number(b), cmp.Compare(len(a.key)*(1-number(a)), len(b.key)*(1-number(b))), cmp.Compare(a.key, b.key))
}

// settleClasses sorts the classes by id and returns the class index, or
// catalog.Background, of every id and of every name that annotations may use.
func (d *objects) settleClasses() (byID, byName map[string]int32) {
	slices.SortStableFunc(d.declared, compareIDs)
	byID, byName = make(map[string]int32), make(map[string]int32)
	byID["-1"] = dataset.Background
	for name := range backgroundNames {
		byName[name] = dataset.Background
	}
	d.dropRoot()
	for order, c := range d.declared {
		if len(c.points) > 0 {
			d.nameKeypoints(c.points)
		}
		index := int32(len(d.c.Classes))
		if c.background {
			byID[c.key] = dataset.Background
			byName[c.Name] = dataset.Background
			continue
		}
		if _, twice := byID[c.key]; twice {
			d.problems.Add(problem.DuplicateClassID, order, "%s", c.ID)
			continue
		}
		if c.Name == "" {
			d.problems.Add(problem.EmptyClassName, order, "%s", c.ID)
			c.Name = "class " + c.key
		}
		if _, twice := byName[c.Name]; twice {
			d.problems.Add(problem.DuplicateClassName, order, "%q", c.Name)
		}
		byID[c.key], byName[c.Name] = index, index
		d.c.Classes = append(d.c.Classes, c.Class)
	}
	return byID, byName
}
