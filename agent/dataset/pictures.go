package dataset

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// PictureList names the images of a dataset that an inference job is about: those of
// its annotations, or of the snapshot's, with the platform's ids. Of a folder in no
// layout that is known the trainer takes every picture.
type PictureList struct {
	Supply
	From    *Fetching
	Request converters.Request // Root, Annotations and Names are the PictureList's
	Dir     string             // where the list is written

	List string // path of a file with one JSON line an image; empty where the layout is not known
}

// Start writes it.
func (p *PictureList) Start(ctx context.Context) error {
	p.Request.Root, p.Request.Annotations, p.Request.Names = p.From.Got.Dir, p.From.Got.AnnotationsPath, p.From.Got.Names
	found, problems, err := converters.Images(ctx, p.Request)
	if errors.Is(err, converters.ErrOnlyPictures) {
		return nil
	}
	if failure, known := errors.AsType[*contract.Failure](err); known && p.Request.Annotations == "" {
		p.Events.Warn("Every picture of the dataset is taken, because what it holds is not known: " + failure.Message)
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range problems {
		p.Events.Warn("Not every image of the dataset is taken: " + one.String())
	}
	list := make([]givenImage, 0, len(found))
	for _, image := range found {
		given := givenImage{Name: cmp.Or(image.Name, "(no file_name)"), ID: image.ID, File: image.Path}
		if image.Path == "" {
			given.Error = given.Name + " is not in the dataset"
		}
		list = append(list, given)
	}
	p.List = filepath.Join(p.Dir, "images.jsonl")
	return writeLines(p.List, list)
}

// Stop leaves it for the next run.
func (*PictureList) Stop(context.Context) error { return nil }
