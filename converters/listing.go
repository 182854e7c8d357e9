package converters

import (
	"context"
	"encoding/json"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// An ImageFile is one image that a dataset names.
type ImageFile struct {
	Name string          // as the dataset spells it
	ID   json.RawMessage // the platform's, a number or a string; nil where there is none
	Path string          // absolute; empty where there is no such file
}

// Images lists the images of a dataset in its order, for a job that only looks at
// them: masks and pictures that nobody names are none. Nothing is written but what
// tables hold, beside r.Out. The error is a *contract.Failure where the layout is not
// known.
func Images(ctx context.Context, r Request) ([]ImageFile, error) {
	r.Format = contract.FormatCOCO // any that is one: the layout has to be known
	folder, tables, err := unpackTables(ctx, &r)
	if err != nil {
		return nil, err
	}
	found, err := recognise(r, folder)
	if err != nil {
		return nil, err
	}
	catalog, err := found.Read(new(problem.List))
	if err != nil {
		return nil, err
	}
	tree, err := found.folder.Tree()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(catalog.Images))
	for i := range catalog.Images {
		names[i] = catalog.Images[i].File
	}
	match := tree.Named(catalog.ImageRoot, names)
	list := make([]ImageFile, 0, len(names))
	for i, name := range names {
		image := ImageFile{Name: name, ID: idOf(catalog.Images[i], found.Annotations != "" && tables == nil)}
		if file := match.File(i); file != "" {
			image.Path = tree.Path(file)
		}
		list = append(list, image)
	}
	return list, nil
}

// idOf is an image's id as the dataset spells it. Only annotations that the platform
// wrote have one: elsewhere the reader has numbered the images itself.
func idOf(im dataset.Image, given bool) json.RawMessage {
	if !given {
		return nil
	}
	if im.Numeric {
		return json.RawMessage(im.ID)
	}
	text, _ := json.Marshal(im.ID) // strings always encode
	return text
}
