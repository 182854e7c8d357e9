package dataset

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// Bucket is what the stages need of a store.
type Bucket interface {
	objects
	ObjectStore
}

// Supply is what every stage needs that brings something in.
type Supply struct {
	Bucket  func() Bucket // the job's, open by the time of Start
	Tracker *job.Tracker
	Events  *job.Events
	Now     func() time.Time
}

func (s Supply) seconds(began time.Time) float64 { return s.Now().Sub(began).Seconds() }

// Fetching brings the dataset in.
type Fetching struct {
	Supply
	Request Request

	Got *Dataset
}

// Start fetches it.
func (f *Fetching) Start(ctx context.Context) error {
	began := f.Now()
	f.Tracker.Enter(job.PhaseDownload)
	f.Request.Progress = f.Tracker.Transfer
	got, err := Fetch(ctx, f.Bucket(), f.Request)
	if err != nil {
		return err
	}
	f.Got = &got
	if got.MissingCount > 0 {
		f.Events.Warn(fmt.Sprintf("The snapshot names %d images that the dataset lacks: %s", got.MissingCount, strings.Join(got.Missing[:min(3, len(got.Missing))], ", ")))
	}
	message := fmt.Sprintf("The dataset is here: %d files, %s", got.Files, contract.Bytes(got.Bytes))
	if got.Local && got.Files == 0 {
		message = "The dataset is used where it lies: " + got.Dir // nobody counted it
	}
	f.Events.Emit(contract.EventDatasetDownloaded, message, map[string]any{
		"dataset_id": f.Request.ID, "source": got.Source, "etag": got.ETag, "files": got.Files, "bytes": got.Bytes, "cached": got.Cached, "left_out": got.Junk,
		"seconds": f.seconds(began), "annotations_sha256": got.AnnotationsSHA256, "images_missing": got.MissingCount,
	})
	return nil
}

// Dir is where it lies, "" without one.
func (f *Fetching) Dir() string {
	if f.Got == nil {
		return ""
	}
	return f.Got.Dir
}

// Annotations is the path of its annotations, "" without any.
func (f *Fetching) Annotations() string {
	if f.Got == nil {
		return ""
	}
	return f.Got.AnnotationsPath
}

// Stop gives up the shared cache's copy.
func (f *Fetching) Stop(context.Context) error {
	if f.Got == nil {
		return nil
	}
	return f.Got.Close()
}

// Conversion prepares the dataset in the framework's format.
type Conversion struct {
	Supply
	From    *Fetching
	Request converters.Request        // Root, Annotations, Names and Progress are the Conversion's
	Suit    func(*converters.Request) // changes the request to what suits the checkpoint, once that is there

	Got *converters.Prepared
}

// Start converts it.
func (c *Conversion) Start(ctx context.Context) error {
	began := c.Now()
	c.Tracker.Enter(job.PhaseConvert)
	c.Request.Root, c.Request.Annotations, c.Request.Names = c.From.Got.Dir, c.From.Got.AnnotationsPath, c.From.Got.Names
	c.Request.Progress = func(done, total int) {
		c.Tracker.Transfer(contract.Transfer{What: "conversion", FilesDone: int64(done), FilesTotal: int64(total)})
	}
	if c.Suit != nil {
		c.Suit(&c.Request)
	}
	out, err := converters.Prepare(ctx, c.Request)
	if err != nil {
		return err
	}
	c.Got = out
	for _, p := range out.Problems {
		c.Events.Warn(p.String())
	}
	c.Events.Emit(contract.EventDatasetPrepared, fmt.Sprintf("The dataset is prepared as %s", out.Format), map[string]any{
		"format": out.Format, "splits": out.Splits, "classes": len(out.Classes.Classes), "problems": out.Problems, "seconds": c.seconds(began),
	})
	return nil
}

// Stop leaves it for the next run.
func (*Conversion) Stop(context.Context) error { return nil }

// WeightsFetching brings the pretrained weights in, when some were asked for.
type WeightsFetching struct {
	Supply
	Request WeightsRequest
	Library Library // asked when no address is given
	Client  func() (*http.Client, error)

	Got Weights
}

// Start fetches them.
func (f *WeightsFetching) Start(ctx context.Context) (err error) {
	began := f.Now()
	f.Tracker.Enter(job.PhaseWeights)
	if f.Request.URL == "" {
		return f.fromLibrary(ctx, began)
	}
	if f.Request.Client, err = f.Client(); err != nil {
		return err
	}
	f.Request.Progress = f.Tracker.Transfer
	if f.Got, err = FetchWeights(ctx, f.Request); err != nil {
		return err
	}
	f.Events.Emit(contract.EventPretrainedDownloaded, "The pretrained weights are here", map[string]any{"cached": f.Got.Cached, "seconds": f.seconds(began)})
	return nil
}

func (f *WeightsFetching) fromLibrary(ctx context.Context, began time.Time) error {
	found, err := f.Library.Find(ctx, f.Bucket(), f.Request.Dir, f.Events.Warn)
	if err != nil || found == nil {
		return err
	}
	f.Got.Path = found.Path
	f.Events.Emit(contract.EventPretrainedDownloaded, fmt.Sprintf("The pretrained weights of %s are here", f.Library.Model), map[string]any{
		"source": found.From, "license": found.Card.License, "origin": found.Card.Source, "sha256": found.Card.SHA256, "cached": false, "seconds": f.seconds(began),
	})
	return nil
}

// Stop gives up the shared cache's copy.
func (f *WeightsFetching) Stop(context.Context) error { return f.Got.Close() }
