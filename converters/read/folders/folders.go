// Package folders reads classification datasets in which the class of an image is
// the folder that it is in.
//
// It promises that a folder is a class only where it can be one: the words of
// splits and of kinds of files are none, whatever their case and however they are
// repeated; and that images whose class stands elsewhere, or nowhere, refuse the
// dataset in words that say where. It leaves the order of classes to the writer.
package folders

import (
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// part is the images of one class, or of one split without classes.
type part struct {
	*node
	class string // as its folder is called
	split contract.Split
}

// found is what the folders of a dataset are.
type found struct {
	parts      []part
	unlabelled []part  // splits without classes
	splits     []split // at the top
}

// Recognise takes {split}/{class}/…/image, {class}/{split}/image, or {class}/…/image
// without splits. The class is the first folder, as in torchvision.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if !f.Classifies() {
		return nil, nil
	}
	if err := detection(f); err != nil {
		return nil, err
	}
	root := tree(f).through()
	if err := pieces(f, root); err != nil {
		return nil, err
	}
	have := survey(root)
	if err := judge(f, have); err != nil || len(have.parts) == 0 {
		return nil, err
	}
	return &layout.Layout{Name: "imagefolder", Read: func(problems *problem.List) (*dataset.Catalog, error) {
		for i, p := range have.unlabelled {
			problems.AddN(problem.SplitWithoutClasses, len(f.Below(p.path)), i, "%s/", p.path)
		}
		for i, names := range joined(have.splits) {
			problems.Add(problem.SplitsJoined, i, "%s", names)
		}
		for i, p := range have.parts {
			p.below(func(n *node) {
				if n.images > 0 && !layout.HoldsImages(n.name) {
					problems.Add(problem.FoldersInClasses, i, "%s/", n.path)
				}
			})
		}
		for i, dir := range withoutImages(f, have.parts) {
			problems.Add(problem.FolderWithoutImages, i, "%s/", dir)
		}
		return read(f, have.parts, problems), nil
	}}, nil
}

// survey sorts the folders out: those of classes, and splits that have none.
func survey(root *node) (have found) {
	if have.splits = root.splits(); len(have.splits) > 0 {
		for _, s := range have.splits {
			classes := s.node.through().classes()
			if len(classes) == 0 {
				have.unlabelled = append(have.unlabelled, part{s.node, "", s.split})
			}
			for _, c := range classes {
				have.parts = append(have.parts, part{c, c.name, s.split})
			}
		}
		return have
	}
	classes := root.classes()
	shared := eachHasSplits(classes)
	for _, c := range classes {
		if !shared {
			have.parts = append(have.parts, part{c, c.name, ""})
			continue
		}
		for _, s := range c.shares() {
			have.parts = append(have.parts, part{s.node, c.name, s.split})
		}
	}
	return have
}

// eachHasSplits reports whether every class is divided into splits by itself.
func eachHasSplits(classes []*node) bool {
	return !slices.ContainsFunc(classes, func(c *node) bool { return !c.divided() })
}

// joined names the folders that are of one split together, such as val/ and
// validation/.
func joined(splits []split) []string {
	var list []string
	for _, s := range contract.Splits {
		var names []string
		for _, one := range splits {
			if one.split == s {
				names = append(names, one.node.path+"/")
			}
		}
		if len(names) > 1 {
			list = append(list, strings.Join(names, ", ")+" are "+string(s))
		}
	}
	return list
}

// judge refuses a dataset with images for training or validation that have no
// class, with splits that are not followed, or whose classes may be the folders in
// them. Images for testing without a class are left out.
func judge(f *layout.Folder, have found) error {
	if err := unlabelled(f, have); err != nil {
		return err
	}
	if err := lostSplits(have.parts); err != nil {
		return err
	}
	return variants(have.parts)
}

func unlabelled(f *layout.Folder, have found) error {
	var lost []string
	for _, p := range have.unlabelled {
		if p.split != contract.SplitTest || len(have.parts) == 0 {
			lost = append(lost, p.path+"/")
		}
	}
	tables := f.Tables()
	switch {
	case len(lost) > 0 && len(tables) > 0:
		return contract.Failf(contract.CodeDatasetInvalid, "%d folders of images have no folders of classes: %s. Beside them is %s, which may say the classes, but its columns are not clear, or its images are not here.",
			len(lost), strings.Join(lost, ", "), strings.Join(tables, ", ")).
			WithHint("Move every image into a folder that is called as its class: {split}/{class}/image.")
	case len(lost) > 0:
		return contract.Failf(contract.CodeDatasetInvalid, "%d folders of images have no folders of classes: %s. Nothing says which class their images are of.",
			len(lost), strings.Join(lost, ", ")).
			WithHint("Move every image into a folder that is called as its class: {split}/{class}/image.")
	case len(classNames(have.parts)) == 1 && len(tables) > 0:
		return contract.Failf(contract.CodeDatasetInvalid, "All images are in one folder, %s/, and %s beside it may say their classes, but its columns are not clear, or its images are not here.",
			have.parts[0].path, strings.Join(tables, ", ")).
			WithHint("Move every image into a folder that is called as its class.")
	}
	return nil
}

// lostSplits refuses folders below a class that are called like a split and are not
// its only content: what is a class, and what for training, is said in two ways.
func lostSplits(parts []part) error {
	var lost []string
	for _, p := range parts {
		p.below(func(n *node) {
			if s := layout.OnlySplit(n.name); s != "" && !layout.HoldsImages(n.name) && s != p.split {
				lost = append(lost, n.path+"/")
			}
		})
	}
	if len(lost) == 0 {
		return pairedSplits(parts)
	}
	return contract.Failf(contract.CodeDatasetInvalid, "%d folders below those of classes are called like splits, and not every class has nothing but these: %s.", len(lost), strings.Join(lost[:min(len(lost), maxNamed)], ", ")).
		WithHint("Put the split first, {split}/{class}/image, or into every class: {class}/{split}/image. Upload datasets of their own one by one.")
}

// pairedSplits refuses classes that are called alike but for a split: cat_train and
// cat_test are one class.
func pairedSplits(parts []part) error {
	first := make(map[string]part)
	for _, p := range parts {
		s := layout.SplitOf(p.class)
		if s == "" || p.split != "" {
			continue
		}
		beside := layout.Beside(p.class)
		other, known := first[beside]
		if known && layout.SplitOf(other.class) != s {
			return contract.Failf(contract.CodeDatasetInvalid, "The folders %s/ and %s/ are called alike but for the split, so they are no two classes.", other.path, p.path).
				WithHint("Put the split first: {split}/{class}/image.")
		}
		if !known {
			first[beside] = p
		}
	}
	return nil
}
