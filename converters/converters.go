// Package converters turns a dataset as the platform stores it into a folder
// that a training framework truly reads.
//
// It promises that what it hands over has been judged by the reader's own rules,
// that every label either arrives or is counted in the report, and that a
// conversion leaves a whole folder or none. It knows no network and no job: the
// agent gives it a folder and gets a folder.
package converters

import (
	"context"
	"errors"
	"io/fs"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// Request is one conversion.
type Request struct {
	Root        string                  // the unpacked dataset
	Annotations string                  // an annotations file outside of Root (a snapshot's), or empty
	Task        contract.TaskType       //
	Format      contract.DatasetFormat  // resolved: not auto
	Split       *contract.SplitStrategy // the job's, or nil
	Out         string                  // the folder to make; replaced when an earlier conversion made it
	Strict      bool                    // refuse the dataset on warnings too
	DryRun      bool                    // report only; nothing is written
	Progress    func(done, total int)   // images, once through for each phase; may be nil
}

// Prepared is what a conversion made, and what it found.
type Prepared struct {
	Dir         string                 `json:"dir"`
	Config      string                 `json:"config"`                // data.yaml, or the folder
	Annotations string                 `json:"annotations,omitempty"` // the file that was read
	Format      contract.DatasetFormat `json:"format"`
	Source      string                 `json:"source"` // the layout that was recognised
	Classes     contract.ClassMap      `json:"classes"`
	Splits      []plan.Count           `json:"splits"`
	SplitSource string                 `json:"split_source"` // who decided the split
	Problems    []problem.Problem      `json:"problems"`
}

// Prepare converts a dataset. The error is a *contract.Failure when the dataset
// or the request is at fault; a dry run and a refused dataset return what was
// found beside the error.
func Prepare(ctx context.Context, r Request) (*Prepared, error) {
	if err := allowed(r.Task, r.Format); err != nil {
		return nil, err
	}
	folder := images.Open(r.Root)
	found, err := recognise(r, folder)
	if err != nil {
		return nil, err
	}
	if r.Format == contract.FormatNone {
		return &Prepared{Dir: r.Root, Config: r.Root, Annotations: found.annotations, Format: r.Format, Source: found.layout}, nil
	}
	folder.LookAhead(ctx)
	defer folder.Close()
	problems := new(problem.List)
	c, err := found.read(problems)
	if err != nil {
		return nil, err
	}
	job := &conversion{Request: r, folder: folder, catalog: c, problems: problems}
	p, err := job.run(ctx)
	if p != nil {
		p.Source, p.Annotations, p.Problems = found.layout, found.annotations, problems.Problems()
	}
	return p, err
}

// allowed refuses a task in a format that cannot hold it.
func allowed(task contract.TaskType, format contract.DatasetFormat) error {
	classification := task == contract.TaskImageClassification || task == contract.TaskZeroShotClassification
	refuse := func(why, hint string) error {
		return contract.Failf(contract.CodeConfigInvalid, "The format %s cannot hold a dataset for %s: %s.", format, task, why).
			WithHint("%s", hint)
	}
	switch {
	case format == contract.FormatNone:
		return nil
	case format == contract.FormatImageFolder && !classification:
		return refuse("a folder names one class for a whole image, not the objects in it", "Use yolo or coco.")
	case format == contract.FormatCOCO && classification:
		return refuse("it describes objects, not whole images", "Use imagefolder.")
	case format == contract.FormatYOLO && task == contract.TaskSemanticSegmentation:
		return refuse("its polygons tell instances apart and leave pixels without a class", "Use coco.")
	case format != contract.FormatYOLO && format != contract.FormatImageFolder && format != contract.FormatCOCO:
		return contract.Failf(contract.CodeConfigInvalid, "%q is not a dataset format.", format).
			WithHint("Use yolo, imagefolder or coco.")
	}
	return nil
}

// recognised is a dataset whose layout is known.
type recognised struct {
	layout      string
	annotations string
	read        func(*problem.List) (*dataset.Catalog, error)
}

// recognise finds out how the dataset is laid out: Platform Format first.
func recognise(r Request, folder *images.Folder) (*recognised, error) {
	path := r.Annotations
	if path == "" {
		var err error
		path, err = platform.Locate(r.Root, r.Task)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if path != "" {
		return &recognised{"platform", path, func(problems *problem.List) (*dataset.Catalog, error) {
			return platform.ReadFile(path, r.Task, problems)
		}}, nil
	}
	tree, err := folder.Tree()
	if err != nil {
		return nil, err
	}
	layout, err := read.Recognise(tree, r.Task)
	if err != nil {
		return nil, err
	}
	if layout != nil {
		return &recognised{layout.Name, layout.Annotations, layout.Read}, nil
	}
	if r.Format == contract.FormatNone {
		return &recognised{layout: "unknown"}, nil
	}
	return nil, contract.Failf(contract.CodeDatasetInvalid,
		"The dataset is in no layout that is known here for %s: it has no annotations.json, no data.yaml, no COCO file and no folders of classes.", r.Task).
		WithHint("Put annotations.json beside images/.")
}
