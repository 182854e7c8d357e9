package converters

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/split"
	"github.com/vision-platform/trainer-agent/converters/write/coco"
	"github.com/vision-platform/trainer-agent/converters/write/imagefolder"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
	"github.com/vision-platform/trainer-agent/converters/write/staging"
	"github.com/vision-platform/trainer-agent/converters/write/yolo"
)

// conversion is the state of one Prepare.
type conversion struct {
	Request
	folder   *images.Folder
	catalog  *dataset.Catalog
	problems *problem.List
	split    *split.Assignment
}

// writer is one format: what its reader takes, and how it is written.
type writer struct {
	format contract.DatasetFormat // as it is reported
	reader plan.Reader
	masks  bool   // can be written, and that an object is a crowd
	config string // the file to point the framework at; empty for the folder
	write  func(context.Context, *plan.Plan, *staging.Dir, func(done, total int)) ([]plan.Count, contract.ClassMap, error)
}

// writerFor picks the writer. Ultralytics classification reads class folders
// too, so yolo means imagefolder there.
func writerFor(r Request) writer {
	classification := r.Task == contract.TaskImageClassification || r.Task == contract.TaskZeroShotClassification
	switch {
	case r.Format == contract.FormatImageFolder || classification:
		return writer{contract.FormatImageFolder, imagefolder.Reader(r.Framework), false, "", imagefolder.Write}
	case r.Format == contract.FormatCOCO:
		return writer{contract.FormatCOCO, coco.Reader, true, "", coco.Write}
	default:
		return writer{contract.FormatYOLO, yolo.Reader, false, yolo.ConfigName, yolo.Write}
	}
}

// run takes the catalog to a prepared folder.
func (j *conversion) run(ctx context.Context) (*Prepared, error) {
	w := writerFor(j.Request)
	files, err := j.folder.Find(ctx, j.catalog, j.problems, j.Progress)
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{Catalog: j.catalog, Problems: j.problems, Measured: j.Measured}
	if err := p.Select(ctx, files, w.reader); err != nil {
		return nil, err
	}
	j.similarNames()
	p.Rules = labels.NewRules(j.catalog, j.Task, w.masks, images.Frames(files), j.problems)
	j.assign(p)
	if err := j.copies(ctx, p, files); err != nil {
		return nil, err
	}
	if j.DryRun || j.refused() != nil {
		return j.report(ctx, w, p)
	}
	return j.write(ctx, w, p)
}

// refused is the failure of what was found so far.
func (j *conversion) refused() error {
	if f := j.problems.Failure(j.Strict); f != nil {
		return f
	}
	return nil
}

// report counts without writing.
func (j *conversion) report(ctx context.Context, w writer, p *plan.Plan) (*Prepared, error) {
	counts, classes, err := w.write(ctx, p, staging.Counter(), j.Progress)
	if err != nil {
		return nil, err
	}
	j.balance(counts, classes)
	return j.prepared(w, counts, classes), j.refused()
}

func (j *conversion) write(ctx context.Context, w writer, p *plan.Plan) (*Prepared, error) {
	if err := apart(j.Out, j.Root); err != nil {
		return nil, err
	}
	dir, err := staging.New(j.Out)
	if err != nil {
		return nil, err
	}
	defer dir.Abort()
	counts, classes, err := w.write(ctx, p, dir, j.Progress)
	if err != nil {
		return nil, err
	}
	j.balance(counts, classes)
	out := j.prepared(w, counts, classes)
	if err := j.refused(); err != nil {
		return out, err // found while the objects were written
	}
	if len(p.Renamed) > 0 {
		if err := dir.WriteJSON("renamed.json", p.Renamed); err != nil {
			return nil, err
		}
	}
	if err := dir.WriteJSON(staging.Marker, classes); err != nil {
		return nil, err
	}
	if err := dir.Commit(); err != nil {
		return nil, err
	}
	out.Dir = dir.Final
	out.Config = filepath.Join(dir.Final, w.config)
	return out, nil
}

// apart refuses to replace a folder that is the source, or that holds it: a dataset
// that a conversion made may be converted again, but not onto itself.
func apart(out, root string) error {
	real, err := filepath.EvalSymlinks(out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing is replaced
	}
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return fmt.Errorf("finding the output folder: %w", err)
	}
	if inside, err := filepath.Rel(real, root); err == nil && filepath.IsLocal(inside) {
		return contract.Failf(contract.CodeConfigInvalid, "The output folder %s holds the dataset itself.", out).
			WithHint("Choose a new folder: the dataset is never changed.")
	}
	return nil
}

func (j *conversion) prepared(w writer, counts []plan.Count, classes contract.ClassMap) *Prepared {
	out := &Prepared{Format: w.format, Classes: classes, Splits: counts}
	if j.split != nil {
		out.SplitSource = string(j.split.Source)
	}
	return out
}
