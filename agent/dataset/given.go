package dataset

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// imagesAtOnce is how many images of an inference job are fetched in parallel.
const imagesAtOnce = 8

// A given image is one line of InputsFetching's List, or of PictureList's.
type givenImage struct {
	URI   string          `json:"uri,omitempty"`  // as IMAGE_PATHS has it
	Name  string          `json:"name,omitempty"` // as the dataset has it
	ID    json.RawMessage `json:"id,omitempty"`   // the platform's
	File  string          `json:"file"`
	Error string          `json:"error,omitempty"` // why it is not there, and never will be
}

// InputsFetching brings in the checkpoint of an inference or export job, and the
// images of an inference job. An image that does not exist is no failure: the list
// says so, and the results will.
type InputsFetching struct {
	Supply
	JobID         string // whose inputs they are: the folder may hold those of another job
	Dir           string
	CheckpointURI string
	ImageURIs     []string
	// Open opens the bucket of an address: any that the credentials open.
	Open func(ctx context.Context, bucket string) (Bucket, error)
	// Parts are the results so far of an earlier run on another machine.
	Parts EarlierParts

	Checkpoint string   // path
	Classes    string   // path of the classes that it was trained on; empty where its training left none
	Images     []string // paths of those that are there, in the order of ImageURIs
	List       string   // path of a file with one JSON line an image; empty without ImageURIs
}

// Start fetches them.
func (f *InputsFetching) Start(ctx context.Context) error {
	f.Tracker.Enter(job.PhaseWeights)
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return unwritableInput(err)
	}
	name := path.Base(f.CheckpointURI)
	if name == ".." || !filepath.IsLocal(name) || filepath.Clean(name) == "." {
		return contract.Failf(contract.CodeConfigInvalid, "CHECKPOINT_PATH %s names no object.", f.CheckpointURI)
	}
	f.Checkpoint = filepath.Join(f.Dir, name)
	if err := os.RemoveAll(f.Checkpoint); err != nil { // files of another checkpoint, in a folder of this name, would be read as this one's
		return unwritableInput(err)
	}
	if err := f.fetch(ctx, f.CheckpointURI, f.Checkpoint); errors.Is(err, fs.ErrNotExist) {
		return contract.Failf(contract.CodeWeightsUnavailable, "The checkpoint %s does not exist.", f.CheckpointURI).WithHint("Check CHECKPOINT_PATH: that of a folder ends with a slash.")
	} else if err != nil {
		return err
	}
	if err := f.classes(ctx); err != nil {
		f.Events.Warn("The classes of the checkpoint's training could not be fetched, results have indices in place of the platform's ids: " + err.Error())
	}
	if err := f.Parts.fetch(ctx, f.Bucket()); err != nil {
		f.Events.Warn("What an earlier run of the job had found could not be fetched, all images are done again: " + err.Error())
	}
	if err := f.Parts.look(ctx, f.Bucket()); err != nil {
		f.Events.Warn("What an earlier run of the job has drawn could not be listed, done does not name it: " + err.Error())
	}
	if len(f.ImageURIs) == 0 {
		return nil
	}
	return f.images(ctx)
}

// HasRotatedBoxes reports whether the checkpoint is a detector of rotated boxes, whose
// labels are more than the upright boxes around them.
func (f *InputsFetching) HasRotatedBoxes() bool {
	file, err := regular.Open(filepath.Clean(f.Checkpoint))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	return err == nil && format.HasRotatedBoxes(file, info.Size())
}

// classes fetches the class list that the checkpoint's training left.
func (f *InputsFetching) classes(ctx context.Context) error {
	bucket, key, err := contract.ParseURI(f.CheckpointURI)
	trained, ours := contract.JobOfCheckpoint(key)
	if err != nil || !ours {
		return err
	}
	file := filepath.Join(f.Dir, "classes.json")
	err = f.fetch(ctx, contract.URI(bucket, contract.ClassesKey(trained)), file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		f.Classes = file
	}
	return err
}

func (f *InputsFetching) images(ctx context.Context) error {
	list := make([]givenImage, len(f.ImageURIs))
	group, ctx := crew.WithContext(ctx)
	group.SetLimit(imagesAtOnce)
	f.forget()
	for i, uri := range f.ImageURIs {
		list[i] = givenImage{URI: uri, File: f.file(i)}
		group.Go(func() (err error) {
			list[i].Error, err = f.image(ctx, list[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	f.List = filepath.Join(f.Dir, "images.jsonl")
	f.Images = []string{}
	for _, image := range list {
		if image.Error == "" {
			f.Images = append(f.Images, image.File)
		}
	}
	return writeLines(f.List, list)
}

// file is where an image lies. The number keeps the order. The sum keeps equal names of
// different folders apart, and the images of another job in the same workspace: what is
// there is not fetched again.
func (f *InputsFetching) file(i int) string {
	uri := f.ImageURIs[i]
	sum := sha256.Sum256([]byte(f.JobID + "\n" + uri))
	return filepath.Join(f.Dir, "images", fmt.Sprintf("%06d-%x-%s", i, sum[:4], ending(path.Base(uri))))
}

// forget removes the images of another job, or of another list. What cannot be removed
// is in nobody's way.
func (f *InputsFetching) forget() {
	mine := make(map[string]bool, len(f.ImageURIs))
	for i := range f.ImageURIs {
		mine[filepath.Base(f.file(i))] = true
	}
	left, _ := os.ReadDir(filepath.Join(f.Dir, "images"))
	for _, entry := range left {
		if number, _, ok := strings.Cut(entry.Name(), "-"); ok && len(number) >= 6 && strings.Trim(number, "0123456789") == "" && !mine[entry.Name()] {
			_ = os.Remove(filepath.Join(f.Dir, "images", entry.Name()))
		}
	}
}

// maxName keeps a number, a sum and a name below the 255 bytes of a file system; an object's
// name has up to 1,024.
const maxName = 200

// ending is the last part of a name, with its suffix, as a file system takes it.
func ending(name string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, name)
	return strings.ToValidUTF8(plain[max(0, len(plain)-maxName):], "")
}

// image fetches one, unless an earlier run has. The text is why it will never be there;
// an error may pass when the job is run again.
func (f *InputsFetching) image(ctx context.Context, image givenImage) (why string, err error) {
	if strings.HasSuffix(image.URI, "/") {
		return image.URI + " is a folder: IMAGE_PATHS names images", nil
	}
	if _, err := os.Stat(image.File); err == nil {
		return "", nil
	}
	err = f.fetch(ctx, image.URI, image.File)
	failure, known := errors.AsType[*contract.Failure](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return image.URI + " does not exist", nil
	case known && failure.Code == contract.CodeStorageForbidden || errors.Is(err, errAddress):
		return image.URI + ": " + failure.Message, nil
	}
	return "", err
}

// errAddress marks what leads to no object.
var errAddress = errors.New("no address")

func (f *InputsFetching) fetch(ctx context.Context, uri, file string) error {
	bucket, key, err := contract.ParseURI(uri)
	if err != nil {
		return fmt.Errorf("%w: %w", errAddress, contract.Failf(contract.CodeConfigInvalid, "%w.", err))
	}
	if strings.ContainsRune(key, 0) { // stores answer that anyhow, some with an error that is worth another try
		return fmt.Errorf("%w: %w", errAddress, contract.Failf(contract.CodeConfigInvalid, "%q leads to no object.", uri))
	}
	store, err := f.Open(ctx, bucket)
	if err == nil {
		err = FetchObject(ctx, store, key, file)
	}
	failure, known := errors.AsType[*contract.Failure](err)
	if _, disk := errors.AsType[*fs.PathError](err); known && !disk && failure.Code == contract.CodeConfigInvalid {
		return fmt.Errorf("%w: %w", errAddress, err) // there is no such bucket
	}
	return err
}

// Stop leaves them for the next run.
func (*InputsFetching) Stop(context.Context) error { return nil }

func writeLines(file string, list []givenImage) (err error) {
	out, err := os.Create(filepath.Clean(file))
	if err != nil {
		return unwritableInput(err)
	}
	lines := bufio.NewWriter(out)
	to := json.NewEncoder(lines)
	for _, image := range list {
		if err := to.Encode(image); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	if err := errors.Join(lines.Flush(), out.Close()); err != nil {
		return unwritableInput(err)
	}
	return nil
}

// EarlierParts are the results of a killed inference job, as far as they are in the
// bucket. The trainer goes on behind them.
type EarlierParts struct {
	Prefix string // of the job's output, ends in a slash; empty for a job that does not go on
	Dir    string // OUTPUT_DIR
	Fresh  bool   // AGENT_RESUME=off: those on this machine do not count either

	Left []contract.Artifact // the folders of drawings and explanations that are in the bucket alone
}

// PartsFolder is where trainer_vision keeps them, in the bucket as on disk.
const PartsFolder = "parts"

func (p *EarlierParts) folder() string { return filepath.Join(p.Dir, PartsFolder) }

func (p *EarlierParts) here() bool {
	_, err := os.Stat(p.folder())
	return err == nil
}

// fetch brings them, unless this machine has its own.
func (p *EarlierParts) fetch(ctx context.Context, store ObjectStore) error {
	if p.Fresh {
		return os.RemoveAll(p.folder())
	}
	if p.Prefix == "" || p.here() {
		return nil
	}
	err := FetchObject(ctx, store, p.Prefix+PartsFolder+"/", p.folder())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// look finds the folders that earlier runs have filled, where something was left to go on
// with. They stay where they are: only the final callback has to know of them.
func (p *EarlierParts) look(ctx context.Context, store ObjectStore) error {
	if p.Prefix == "" || !p.here() {
		return nil
	}
	sizes := map[string]int64{}
	for o, err := range store.List(ctx, p.Prefix) {
		if err != nil {
			return err
		}
		if folder, _, deep := strings.Cut(strings.TrimPrefix(o.Key, p.Prefix), "/"); deep && folder != PartsFolder {
			sizes[folder] += o.Size
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(sizes)) {
		p.Left = append(p.Left, contract.Artifact{Name: folder + "/", Path: store.URI(p.Prefix+folder) + "/", SizeBytes: sizes[folder]})
	}
	return nil
}
