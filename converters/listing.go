package converters

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// ErrOnlyPictures is said of a folder that has images and no word about them.
var ErrOnlyPictures = errors.New("there are pictures and nothing that says what is on them")

// An ImageFile is one image that a dataset names.
type ImageFile struct {
	Name string          // as the dataset spells it
	ID   json.RawMessage // the dataset's, a number or a string; nil where there is none
	Path string          // absolute; empty where there is no such file
}

// Images lists the images of a dataset in its order, for a job that only looks at
// them: masks and pictures that nobody names are none. Nothing is written but what
// tables hold, beside r.Out. The problems say which images are not in the list. The
// error is ErrOnlyPictures, or a *contract.Failure where the layout is not known.
func Images(ctx context.Context, r Request) ([]ImageFile, []problem.Problem, error) {
	r.Format = contract.FormatCOCO // any that is one: the layout has to be known
	folder, tables, err := unpackTables(ctx, &r)
	if err != nil {
		return nil, nil, err
	}
	found, err := recognise(r, folder)
	if err != nil {
		if tree, unread := folder.Tree(); unread == nil && !tree.Any(func(name string) bool { return !images.IsImage(name) }) {
			err = ErrOnlyPictures
		}
		return nil, nil, err
	}
	if found.Name == "imagefolder" {
		return nil, nil, ErrOnlyPictures // folders may be classes, or a person's holidays: no picture beside them is known not to be meant
	}
	problems := new(problem.List)
	if tables != nil {
		for i, some := range tables.Missing {
			problems.Add(problem.TablesMissing, i, "%s", some)
		}
	}
	catalog, err := found.Read(problems)
	if err != nil {
		return nil, nil, err
	}
	tree, err := found.folder.Tree()
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, len(catalog.Images))
	for i := range catalog.Images {
		names[i] = catalog.Images[i].File
	}
	match := tree.Named(catalog.ImageRoot, names)
	list := make([]ImageFile, 0, len(names))
	for i, name := range names {
		image := ImageFile{Name: name, ID: idOf(catalog.Images[i], tables == nil && hasIDs(found.Name))}
		if file := match.File(i); file != "" {
			image.Path = tree.Path(file)
		}
		list = append(list, image)
	}
	return list, slices.DeleteFunc(problems.Problems(), keepsAll), nil
}

// leftOut are the problems for which an image is not in the list. What else is wrong
// with labels is no matter to a job that only looks.
var leftOut = []problem.Kind{
	problem.NoFileName, problem.DuplicateImageID, problem.TablesMissing, problem.ImageInNoList, problem.ListedImageMissing, problem.NoImagesThere, problem.NoTestImages,
	problem.SplitWithoutClasses, problem.AnnotationsKeptOut, problem.AnnotationsUnread,
}

func keepsAll(p problem.Problem) bool {
	return !slices.ContainsFunc(leftOut, func(kind problem.Kind) bool { return kind.Code == p.Code })
}

// hasIDs reports whether the images of a layout have ids; elsewhere the reader has told
// them apart itself.
func hasIDs(layout string) bool { return layout == "platform" || layout == "coco" }

// idOf is an image's id as the dataset spells it. Where the files of two splits count
// alike the split stands before it, and makes it a text.
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
