// Package folders reads classification datasets in which the class of an image is
// the folder that it is in.
//
// It promises that a folder is a class only where it can be one: the words of
// splits and of kinds of files are none, whatever their case and however they are
// repeated; and that images whose class stands elsewhere, or nowhere, refuse the
// dataset in words that say where. It leaves the order of classes to the writer.
package folders

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// part is the images of one class, or of one split without classes.
type part struct {
	dir   string
	class string // as its folder is called
	split contract.Split
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
	root := tree(f)
	if err := pieces(f, root.through()); err != nil {
		return nil, err
	}
	parts, unlabelled := survey(root)
	if err := judge(f, parts, unlabelled); err != nil || len(parts) == 0 {
		return nil, err
	}
	return &layout.Layout{Name: "imagefolder", Read: func(problems *problem.List) (*dataset.Catalog, error) {
		for i, p := range unlabelled {
			problems.AddN(problem.SplitWithoutClasses, len(f.Below(p.dir)), i, "%s/", p.dir)
		}
		return read(f, parts, problems), nil
	}}, nil
}

// survey sorts the folders out: those of classes, and splits that have none.
func survey(root *node) (parts, unlabelled []part) {
	root = root.through()
	if splits := root.splits(); len(splits) > 0 {
		for _, s := range splits {
			classes := s.node.through().classes()
			if len(classes) == 0 {
				unlabelled = append(unlabelled, part{dir: s.node.path, split: s.split})
			}
			for _, c := range classes {
				parts = append(parts, part{dir: c.path, class: c.name, split: s.split})
			}
		}
		return parts, unlabelled
	}
	classes := root.classes()
	for _, c := range classes {
		if splits := c.splits(); eachHasSplits(classes) {
			for _, s := range splits {
				parts = append(parts, part{dir: s.node.path, class: c.name, split: s.split})
			}
			continue
		}
		parts = append(parts, part{dir: c.path, class: c.name})
	}
	return parts, nil
}

// eachHasSplits reports whether every class is divided into splits by itself.
func eachHasSplits(classes []*node) bool {
	for _, c := range classes {
		if !c.divided() {
			return false
		}
	}
	return true
}

// judge refuses a dataset with images for training or validation that have no
// class. Images for testing without one are left out.
func judge(f *layout.Folder, parts, unlabelled []part) error {
	var lost []string
	labelled := len(parts) > 0
	for _, p := range unlabelled {
		if p.split != contract.SplitTest || !labelled {
			lost = append(lost, p.dir+"/")
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
	case len(classNames(parts)) == 1 && len(tables) > 0:
		return contract.Failf(contract.CodeDatasetInvalid, "All images are in one folder, %s/, and %s beside it may say their classes, but its columns are not clear, or its images are not here.",
			parts[0].dir, strings.Join(tables, ", ")).
			WithHint("Move every image into a folder that is called as its class.")
	}
	return nil
}
