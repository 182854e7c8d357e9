package plan

import (
	"slices"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// Count is what a split of a prepared dataset holds.
type Count struct {
	Split       contract.Split `json:"split"`
	Images      int            `json:"images"`
	Backgrounds int            `json:"backgrounds"` // images without objects
	Objects     int            `json:"objects"`     // for classification: images with a class
	PerClass    []int          `json:"per_class"`   // objects, by class index
}

// Tally adds up counts from several goroutines.
type Tally struct {
	mu     sync.Mutex
	counts []Count
}

// NewTally counts for n classes.
func NewTally(n int) *Tally {
	t := &Tally{}
	for _, s := range contract.Splits {
		t.counts = append(t.counts, Count{Split: s, PerClass: make([]int, n)})
	}
	return t
}

// Add counts one image with the classes of its objects.
func (t *Tally) Add(split contract.Split, classes []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.counts[slices.Index(contract.Splits, split)]
	c.Images++
	c.Objects += len(classes)
	if len(classes) == 0 {
		c.Backgrounds++
	}
	for _, class := range classes {
		c.PerClass[class]++
	}
}

// Counts are the splits that have images.
func (t *Tally) Counts() []Count {
	return slices.DeleteFunc(slices.Clone(t.counts), func(c Count) bool { return c.Images == 0 })
}

// ClassMap is classes.json of a layout that keeps every class of the catalog.
func (p *Plan) ClassMap(format contract.DatasetFormat) contract.ClassMap {
	m := contract.ClassMap{Task: p.Rules.Task, Format: format, Classes: []contract.ClassEntry{}}
	for i, c := range p.Catalog.Classes {
		m.Classes = append(m.Classes, contract.ClassEntry{Index: i, ID: c.ID, Name: c.Name})
	}
	return m
}
