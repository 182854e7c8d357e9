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
	"fmt"
	"os"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/text"
	"github.com/vision-platform/trainer-agent/converters/unpack"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
)

// Request is one conversion.
type Request struct {
	Root        string                  // the unpacked dataset
	Annotations string                  // an annotations file outside of Root (a snapshot's), or empty
	Task        contract.TaskType       //
	Format      contract.DatasetFormat  // resolved: not auto
	Framework   string                  // of the trainer that will read it, or empty; Ultralytics drops small images
	Split       *contract.SplitStrategy // the job's, or nil
	Names       text.Reading            // names of files that were not UTF-8 in the archive
	Out         string                  // the folder to make; replaced when an earlier conversion made it
	Strict      bool                    // refuse the dataset on warnings too
	Measured    bool                    // a model is tested on it, none is trained: all of it may be one split, and lack classes
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
	Unpacked    string                 `json:"-"` // the folder that a dataset in tables was unpacked to; the annotations are in it
}

// Prepare converts a dataset. The error is a *contract.Failure when the dataset
// or the request is at fault; a dry run and a refused dataset return what was
// found beside the error.
func Prepare(ctx context.Context, r Request) (*Prepared, error) {
	if err := allowed(r.Task, r.Format); err != nil {
		return nil, err
	}
	folder, tables, err := unpackTables(ctx, &r)
	if err != nil {
		return nil, err
	}
	if tables != nil && (r.Out == "" || r.DryRun) {
		defer func() { _ = os.RemoveAll(r.Root) }()
	}
	found, err := recognise(r, folder)
	if err != nil {
		return nil, err
	}
	if tables != nil {
		found.Name = tables.Name
	}
	if r.Format == contract.FormatNone {
		return &Prepared{Dir: r.Root, Config: r.Root, Annotations: found.Annotations, Format: r.Format, Source: found.Name}, nil
	}
	found.folder.LookAhead(ctx)
	defer found.folder.Close()
	problems := new(problem.List)
	if n := r.Names.Count; n > 0 {
		problems.AddN(problem.NamesNotUTF8, n, 0, "read as %s, such as %q", r.Names.Page, r.Names.Example)
	}
	if found.dir != "" {
		problems.Add(problem.OneFolderDown, 0, "%s/", found.dir)
		if err := besideFolder(folder, found.dir, problems); err != nil {
			return nil, err
		}
	}
	if tables != nil {
		for i, some := range tables.Missing {
			problems.Add(problem.TablesMissing, i, "%s", some)
		}
		for i, column := range tables.Others {
			problems.Add(problem.ColumnChosen, i, "%s", column)
		}
	} else if err := besideAnnotations(r, found, problems); err != nil {
		return nil, err
	}
	c, err := found.Read(problems)
	if err != nil {
		return nil, err
	}
	job := &conversion{Request: r, folder: found.folder, catalog: c, problems: problems}
	p, err := job.run(ctx)
	if p != nil {
		if tables != nil {
			p.Unpacked = r.Root
		}
		p.Source, p.Annotations, p.Problems = found.Name, found.Annotations, problems.Problems()
	}
	return p, err
}

// unpackTables opens the dataset's folder. One in tables is first made a folder of
// images beside Out, which then is the root: the links of what is prepared hold its
// files. For a dry run it is a temporary one.
func unpackTables(ctx context.Context, r *Request) (folder *images.Folder, tables *unpack.Source, err error) {
	folder = images.Open(r.Root)
	if r.Annotations != "" || r.Format == contract.FormatNone {
		return folder, nil, nil
	}
	if l, err := read.Platform(r.Root, r.Task); l != nil || err != nil {
		return folder, nil, err
	}
	tree, err := folder.Tree()
	if err != nil {
		return nil, nil, err
	}
	if err := read.Fetched(tree); err != nil {
		return nil, nil, err
	}
	tables, err = unpack.Find(tree)
	if tables == nil || err != nil {
		return folder, nil, err
	}
	if err := read.Alone(tree, r.Task, tables.Name, tables.First()); err != nil {
		return nil, nil, err
	}
	dir := r.Out + ".unpacked"
	if r.Out == "" || r.DryRun {
		if dir, err = os.MkdirTemp("", "unpacked-"); err != nil {
			return nil, nil, fmt.Errorf("making a folder for the dataset's images: %w", err)
		}
	}
	if err := tables.Into(ctx, r.Task, dir); err != nil {
		_ = os.RemoveAll(dir)
		return nil, nil, err
	}
	r.Root = dir
	return images.Open(dir), tables, nil
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
	*layout.Layout
	folder *images.Folder // the dataset's, or the one in it that the dataset is in
	dir    string         // below the root
}

// recognise finds out how the dataset is laid out: Platform Format first, which
// takes no walk over the folder.
func recognise(r Request, folder *images.Folder) (*recognised, error) {
	if r.Annotations != "" {
		return &recognised{Layout: read.PlatformFile(r.Annotations, r.Task), folder: folder}, nil
	}
	l, err := read.Platform(r.Root, r.Task)
	if err != nil {
		return nil, err
	}
	if l != nil {
		return &recognised{Layout: read.Following(l, folder.Tree, r.Task), folder: folder}, nil
	}
	tree, err := folder.Tree()
	if err != nil {
		return nil, err
	}
	dir := ""
	if l, err = read.Recognise(tree, r.Task); l == nil && err == nil {
		dir, l, err = read.Below(tree, r.Task)
	}
	switch {
	case err != nil && r.Format == contract.FormatNone:
		return &recognised{Layout: &layout.Layout{Name: "unknown"}, folder: folder}, nil
	case err != nil:
		return nil, err
	}
	return &recognised{l, folder.Below(dir), dir}, nil
}
