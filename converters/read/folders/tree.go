package folders

import (
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// node is a folder with images in it or below it.
type node struct {
	name, path string
	images     int // directly in it
	children   []*node
}

// tree is the folders of a dataset that have images, hidden ones left out.
func tree(f *layout.Folder) *node {
	root := &node{}
	known := map[string]*node{".": root}
	for _, name := range f.Names() {
		if images.IsImage(name) && !strings.HasPrefix(path.Base(name), ".") && !hidden(path.Dir(name)) {
			enter(known, path.Dir(name)).images++
		}
	}
	return root
}

func enter(known map[string]*node, dir string) *node {
	if n := known[dir]; n != nil {
		return n
	}
	n := &node{name: path.Base(dir), path: dir}
	known[dir] = n
	parent := enter(known, path.Dir(dir))
	parent.children = append(parent.children, n)
	return n
}

func hidden(dir string) bool {
	return strings.HasPrefix(dir, ".") && dir != "." || strings.Contains(dir, "/.")
}

// through looks through folders that say nothing: one that is alone and holds
// folders, one that repeats its parent's name, and images/ where no class is beside it.
func (n *node) through() *node {
	for n.images == 0 {
		next := n.only()
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

func (n *node) only() *node {
	if len(n.children) == 1 {
		c := n.children[0]
		if strings.EqualFold(c.name, n.name) || len(c.children) > 0 && layout.OnlySplit(c.name) == "" && !c.holdsSplits() {
			return c
		}
	}
	if len(n.classes()) > 0 || len(n.splits()) > 0 {
		return nil
	}
	at := slices.IndexFunc(n.children, func(c *node) bool { return layout.HoldsImages(c.name) && len(c.children) > 0 })
	if at < 0 {
		return nil
	}
	return n.children[at]
}

// holdsSplits reports whether a folder has nothing in it but splits with images and
// no folders: with it a class begins.
func (n *node) holdsSplits() bool {
	splits := n.splits()
	return n.images == 0 && len(splits) > 0 && len(splits) == len(n.children) &&
		!slices.ContainsFunc(splits, func(s split) bool { return len(s.node.children) > 0 })
}

// divided reports whether a folder is a class of its own: it has nothing but splits
// in it, which have images and no classes.
func (n *node) divided() bool { return len(n.shares()) > 0 }

// shares are the splits that a class is divided into by itself, below images/ too.
func (n *node) shares() []split {
	for n.images == 0 && len(n.children) == 1 && layout.HoldsImages(n.children[0].name) {
		n = n.children[0]
	}
	splits := n.splits()
	if n.images > 0 || len(splits) == 0 || len(splits) != len(n.children) {
		return nil
	}
	for _, s := range splits {
		if slices.ContainsFunc(s.node.children, func(c *node) bool { return !layout.HoldsImages(c.name) }) {
			return nil
		}
	}
	return splits
}

// below calls visit with every folder below this one.
func (n *node) below(visit func(*node)) {
	for _, c := range n.children {
		visit(c)
		c.below(visit)
	}
}

// classes are the folders that can be classes.
func (n *node) classes() []*node {
	var list []*node
	for _, c := range n.children {
		if !layout.IsNoClass(c.name) || n.onlyOfItsKind(c) {
			list = append(list, c)
		}
	}
	return list
}

// onlyOfItsKind tells the class of trains from the split: no other split is beside
// it, other classes are, and it holds images itself.
func (n *node) onlyOfItsKind(c *node) bool {
	if layout.OnlySplit(c.name) == "" || layout.HoldsImages(c.name) || c.images == 0 || len(n.splits()) > 0 {
		return false
	}
	return slices.ContainsFunc(n.children, func(o *node) bool { return !layout.IsNoClass(o.name) && o.images > 0 })
}

// split is a folder that names one.
type split struct {
	node  *node
	split contract.Split
}

// splits are the folders of splits, where the children are that: two that name
// different ones, or one with folders in it. Names that say more than the split
// count where they say the same beside it: seg_train and seg_test.
func (n *node) splits() []split {
	strict := n.splitsBy(func(name string) (contract.Split, string) { return layout.OnlySplit(name), "" })
	if len(strict) > 0 {
		return strict
	}
	return n.splitsBy(func(name string) (contract.Split, string) { return layout.SplitOf(name), layout.Beside(name) })
}

func (n *node) splitsBy(of func(name string) (contract.Split, string)) []split {
	groups := make(map[string][]split)
	for _, c := range n.children {
		if s, rest := of(c.name); s != "" {
			groups[rest] = append(groups[rest], split{c, s})
		}
	}
	var best []split
	for rest, group := range groups {
		different := slices.ContainsFunc(group, func(s split) bool { return s.split != group[0].split })
		deep := slices.ContainsFunc(group, func(s split) bool { return len(s.node.children) > 0 })
		alone := len(group) == len(n.children)
		if (different && (rest == "" || deep || alone) || rest == "" && (deep || alone)) && len(group) > len(best) {
			best = group
		}
	}
	return evaluated(best)
}

// evaluated makes the folders of evaluation those for testing, where others are for
// validation and none is for testing.
func evaluated(splits []split) []split {
	names := make([]string, len(splits))
	for i, s := range splits {
		names[i] = s.node.name
	}
	evalTests := layout.EvalTests(names)
	for i := range splits {
		splits[i].split = layout.SplitAmong(splits[i].split, names[i], evalTests)
	}
	return splits
}
