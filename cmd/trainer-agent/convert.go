package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/converters/preview"
	"github.com/vision-platform/trainer-agent/converters/split"
	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// ConvertCmd converts a dataset at someone's desk, as the agent would in a job.
type ConvertCmd struct {
	From      string `required:"" help:"Dataset: a folder or a zip." placeholder:"DIR|ZIP" complete:"files"`
	Task      string `required:"" help:"Task type, for example object_detection." placeholder:"TASK" complete:"object_detection,instance_segmentation,pose_estimation,image_classification,zero_shot_classification,semantic_segmentation"`
	To        string `help:"Format to write: yolo, imagefolder or coco. By default what the framework reads." placeholder:"FORMAT" complete:"yolo,imagefolder,coco"`
	Framework string `default:"ultralytics" env:"FRAMEWORK" help:"What will read it: ultralytics, timm, huggingface, or your trainer's name. The default is the strictest reader." placeholder:"NAME" complete:"ultralytics,timm,huggingface"`
	Out       string `help:"Folder to make." placeholder:"DIR" type:"path" complete:"folders"`
	Split     string `help:"How to split, as SPLIT_STRATEGY." placeholder:"JSON"`
	Strict    bool   `help:"Refuse the dataset on warnings too."`
	DryRun    bool   `help:"Report what is wrong with the dataset; write nothing."`
	Preview   string `help:"Draw a contact sheet with the written labels." placeholder:"PNG" type:"path"`
	Images    int    `help:"Images on the contact sheet." default:"16"`
	JSON      bool   `name:"json" help:"Print the report as JSON."`

	Stdout io.Writer `kong:"-"` // os.Stdout when nil
	Stderr io.Writer `kong:"-"`
}

// Help is the longer text of --help.
func (c *ConvertCmd) Help() string {
	return `Reads the platform's annotations.json; the layouts of YOLO, COCO, Pascal VOC and LabelMe; masks; tables
of classes; tables of Hugging Face Datasets; and folders of classes. Examples:

  trainer-agent convert --from ./cats --task object_detection --dry-run
  trainer-agent convert --from cats.zip --task object_detection --to yolo --out ./prepared
  trainer-agent convert --from ./cats --task object_detection --preview sheet.png
  trainer-agent convert --from ./cats --task image_classification --out ./prepared \
      --split '{"method": "auto", "ratio": [0.7, 0.2, 0.1], "seed": 1, "stratify": true}'`
}

// Run converts, reports and draws.
func (c *ConvertCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.run(ctx)
}

func (c *ConvertCmd) run(ctx context.Context) error {
	if c.Stdout == nil {
		c.Stdout = os.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	request, err := c.request()
	if err != nil {
		return err
	}
	scratch, err := c.folder()
	if err != nil {
		return err
	}
	defer func() { _ = scratch.Close() }()
	data, err := dataset.Fetch(ctx, nil, dataset.Request{LocalPath: c.From, LocalName: "--from", Dir: filepath.Join(scratch.Dir, "dataset")})
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	request.Root, request.Names = data.Dir, data.Names
	if request.Out == "" {
		request.Out = filepath.Join(scratch.Dir, "prepared")
	}
	prepared, err := c.convert(ctx, request)
	if prepared != nil {
		if prepared.Unpacked != "" {
			defer func() { _ = os.RemoveAll(prepared.Unpacked) }()
		}
		if err := c.print(prepared); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return c.draw(ctx, prepared, request.Task)
}

func (c *ConvertCmd) request() (converters.Request, error) {
	r := converters.Request{
		Task: contract.TaskType(c.Task), Format: contract.DatasetFormat(c.To), Framework: cmp.Or(c.Framework, contract.FrameworkUltralytics),
		Out: c.Out, Strict: c.Strict, DryRun: c.DryRun,
	}
	if r.Format == "" || r.Format == contract.FormatAuto {
		r.Format = contract.ResolveFormat(r.Framework, r.Task)
	}
	known := make([]string, len(contract.TaskTypes))
	ok := false
	for i, t := range contract.TaskTypes {
		known[i], ok = string(t), ok || t == r.Task
	}
	if !ok {
		return r, contract.Failf(contract.CodeConfigInvalid, "%q is not a task type.", c.Task).
			WithHint("Use one of %s.", strings.Join(known, ", "))
	}
	if r.Format == contract.FormatNone {
		return r, contract.Failf(contract.CodeConfigInvalid, "%q leaves the dataset as it is; there is nothing to convert.", c.To).
			WithHint("Use yolo, imagefolder or coco.")
	}
	if c.Images < 1 || c.Images > preview.MaxImages {
		return r, contract.Failf(contract.CodeConfigInvalid, "--images is %d.", c.Images).
			WithHint("A contact sheet has 1 to %d images.", preview.MaxImages)
	}
	if err := c.outside(); err != nil {
		return r, err
	}
	if !c.DryRun && c.Out == "" && c.Preview == "" {
		return r, contract.Failf(contract.CodeConfigInvalid, "Where to write is not said.").
			WithHint("Give --out DIR, --preview FILE.png or --dry-run.")
	}
	if c.DryRun && c.Preview != "" {
		return r, contract.Failf(contract.CodeConfigInvalid, "--dry-run writes nothing, and --preview draws what was written.").
			WithHint("Leave one of them out; without --out the converted dataset is not kept.")
	}
	if c.Split == "" {
		return r, nil
	}
	strategy, err := split.ParseStrategy([]byte(c.Split))
	if err != nil {
		return r, contract.Failf(contract.CodeConfigInvalid, "--split cannot be used: %w.", err)
	}
	r.Split = strategy
	return r, nil
}

// outside refuses an output folder inside of the dataset: it would be part of the
// dataset the next time.
func (c *ConvertCmd) outside() error {
	from, err := resolved(c.From)
	if err != nil {
		return err
	}
	out, err := resolved(c.Out)
	if err != nil {
		return err
	}
	if inside, err := filepath.Rel(from, out); c.Out != "" && err == nil && inside != "." && filepath.IsLocal(inside) {
		return contract.Failf(contract.CodeConfigInvalid, "The output folder %s is in the dataset.", c.Out).
			WithHint("Choose a folder outside of %s: the dataset is never changed.", c.From)
	}
	return nil
}

// resolved is an absolute path without symbolic links, as far as it is there.
func resolved(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for dir := path; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return real + strings.TrimPrefix(path, dir), nil
		}
	}
	return path, nil
}

// scratchPrefix begins the names of conversions' folders.
const scratchPrefix = ".trainer-agent-convert-"

// folder is for what is unpacked. It is beside the output, so that images can be linked and
// outlive it.
func (c *ConvertCmd) folder() (*scratch.Folder, error) {
	if c.Out == "" || c.DryRun {
		return scratch.In(os.TempDir(), scratchPrefix)
	}
	parent := filepath.Dir(filepath.Clean(c.Out))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("creating the output folder: %w", err)
	}
	return scratch.In(parent, scratchPrefix)
}

// convert runs the conversion under a progress bar, on a terminal.
func (c *ConvertCmd) convert(ctx context.Context, r converters.Request) (*converters.Prepared, error) {
	f, ok := c.Stderr.(*os.File)
	if !ok || !ui.IsTerminal(f, os.Getenv) {
		return converters.Prepare(ctx, r)
	}
	bars := ui.New(ui.Options{Out: f, Size: ui.Columns(f), Color: ui.Color(f, os.Getenv)})
	defer bars.Close()
	var last atomic.Int64 // the time of the last drawing
	r.Progress = func(done, total int) {
		now, before := time.Now().UnixMilli(), last.Load()
		if (now-before >= drawEvery || done == total) && last.CompareAndSwap(before, now) {
			bars.Show(ui.Row{Label: "images", Done: int64(done), Total: int64(total), Parts: []string{fmt.Sprintf("%d of %d", done, total)}})
		}
	}
	return converters.Prepare(ctx, r)
}

// drawEvery is the least time between two drawings, in milliseconds.
const drawEvery = 100

// print writes the report: a table for people, or JSON.
func (c *ConvertCmd) print(p *converters.Prepared) error {
	if c.JSON {
		out := json.NewEncoder(c.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(p)
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "split\timages\tbackgrounds\tobjects\tclasses\t\n")
	for _, s := range p.Splits {
		classes := 0
		for _, n := range s.PerClass {
			if n > 0 {
				classes++
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d of %d\t\n", s.Split, s.Images, s.Backgrounds, s.Objects, classes, len(s.PerClass))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "\nread as %s, split by the %s\n", p.Source, splitWords[p.SplitSource])
	for _, found := range p.Problems {
		fmt.Fprintf(c.Stdout, "%-7s  %s: %s\n", found.Severity, found.Code, found)
		if found.Hint != "" {
			fmt.Fprintf(c.Stdout, "         %s\n", found.Hint)
		}
	}
	if p.Dir != "" && c.Out != "" {
		fmt.Fprintf(c.Stdout, "\nwritten as %s: %s\n", p.Format, p.Config)
	}
	return nil
}

var splitWords = map[string]string{
	"job": "given strategy", "dataset": "dataset's split_config", "images": "images' own splits", "default": "default, 0.8 to 0.2 with seed 42",
}

// draw writes the contact sheet.
func (c *ConvertCmd) draw(ctx context.Context, p *converters.Prepared, task contract.TaskType) error {
	if c.Preview == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.Preview), 0o755); err != nil {
		return fmt.Errorf("creating the folder of the contact sheet: %w", err)
	}
	f, err := os.Create(c.Preview)
	if err != nil {
		return fmt.Errorf("creating the contact sheet: %w", err)
	}
	if err := errors.Join(preview.Write(ctx, f, p.Dir, task, c.Images), f.Close()); err != nil {
		return err
	}
	if !c.JSON {
		fmt.Fprintf(c.Stdout, "contact sheet: %s\n", c.Preview)
	}
	return nil
}
