package dataset

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

func fetching(t *testing.T, b *bucket, uris ...string) *InputsFetching {
	t.Helper()
	tracker := job.NewTracker(job.TrackerOptions{Now: time.Now})
	supply := Supply{Bucket: func() Bucket { return b }, Tracker: tracker, Events: job.NewEvents(slog.New(slog.DiscardHandler), time.Now, ""), Now: time.Now}
	return &InputsFetching{
		Supply: supply, Dir: t.TempDir(), CheckpointURI: "s3://b/checkpoints/job-7/best.pt", ImageURIs: uris,
		Open: func(context.Context, string) (Bucket, error) { return b, nil },
	}
}

func TestAnImageThatWillNeverBeThereIsNoFailure(t *testing.T) {
	long := "in/" + strings.Repeat("고", 300) + ".png"
	b := &bucket{objects: map[string][]byte{"checkpoints/job-7/best.pt": []byte("w"), "jobs/7/classes.json": []byte("{}"), "in/a.png": []byte("a"), long: []byte("b")}}
	f := fetching(t, b, "s3://b/in/a.png", "s3://b/in/gone.png", "in/a.png", "s3://b/"+long, "s3://b/in/")
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(f.List)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var list []givenImage
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var image givenImage
		if err := json.Unmarshal(lines.Bytes(), &image); err != nil {
			t.Fatal(err)
		}
		list = append(list, image)
	}
	if len(list) != 5 || !strings.Contains(list[4].Error, "s3://b/in/ is a folder") || list[0].Error != "" || list[1].Error != "s3://b/in/gone.png does not exist" || list[2].Error == "" || list[2].URI != "in/a.png" {
		t.Errorf("%+v", list)
	}
	if !slices.Equal(f.Images, []string{list[0].File, list[3].File}) || f.Classes == "" {
		t.Errorf("%q, classes in %q", f.Images, f.Classes)
	}
	b.gets = nil
	if err := f.Start(t.Context()); err != nil || slices.Contains(b.gets, "in/a.png") {
		t.Errorf("%v; fetched again: %q", err, b.gets)
	}
}

// TestAFolderMayHaveAMark: consoles of stores make an empty object for a folder.
// A workspace may hold the inputs of another job, or of the same one with another list:
// every training calls its best checkpoint best, and every camera its first image 1.png.
func TestInputsOfAnotherJobAreNotTakenForThisOnes(t *testing.T) {
	b := &bucket{objects: map[string][]byte{
		"checkpoints/job-7/best.pt": []byte("w"), "a/1.png": []byte("a"), "b/1.png": []byte("b"), "x/best/model.bin": []byte("x"), "y/best/model.safetensors": []byte("y"),
	}}
	dir := t.TempDir()
	start := func(job, checkpoint, image string) *InputsFetching {
		f := fetching(t, b, image)
		f.Dir, f.JobID, f.CheckpointURI = dir, job, checkpoint
		if err := f.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return f
	}
	start("one", "s3://b/x/best/", "s3://b/a/1.png")
	f := start("one", "s3://b/y/best/", "s3://b/b/1.png")
	if got, err := os.ReadFile(f.Images[0]); err != nil || string(got) != "b" {
		t.Errorf("%v: the image is %q", err, got)
	}
	if left, err := os.ReadDir(f.Checkpoint); err != nil || len(left) != 1 || left[0].Name() != "model.safetensors" {
		t.Errorf("%v: the checkpoint is %v", err, left)
	}
	b.objects["b/1.png"] = []byte("changed")
	f = start("two", "s3://b/checkpoints/job-7/best.pt", "s3://b/b/1.png")
	if got, err := os.ReadFile(f.Images[0]); err != nil || string(got) != "changed" {
		t.Errorf("%v: the image is %q", err, got)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "images")); err != nil || len(left) != 1 {
		t.Errorf("%v: %v is left", err, left)
	}
}

// As with an object that is missing: the other images are predicted.
func TestAnImageInABucketThatIsNotThereIsNoFailure(t *testing.T) {
	b := &bucket{objects: map[string][]byte{"checkpoints/job-7/best.pt": []byte("w"), "in/a.png": []byte("a")}}
	f := fetching(t, b, "s3://b/in/a.png", "s3://other/in/a.png")
	f.Open = func(_ context.Context, name string) (Bucket, error) {
		if name == "other" {
			return nil, contract.Failf(contract.CodeConfigInvalid, "the bucket %q does not exist.", name)
		}
		return b, nil
	}
	if err := f.Start(t.Context()); err != nil || len(f.Images) != 1 {
		t.Fatalf("%v: %q", err, f.Images)
	}
	if list, err := os.ReadFile(f.List); err != nil || !strings.Contains(string(list), `"error":"s3://other/in/a.png: the bucket \"other\" does not exist."`) {
		t.Errorf("%v: %s", err, list)
	}
	f.CheckpointURI = "s3://other/best.pt"
	if failure, ok := errors.AsType[*contract.Failure](f.Start(t.Context())); !ok || failure.Code != contract.CodeConfigInvalid {
		t.Errorf("a checkpoint there: %v", failure)
	}
}

func TestOddNamesOfInputs(t *testing.T) {
	b := &bucket{objects: map[string][]byte{"checkpoints/job-7/best.pt": []byte("w"), "in/a\x1bb.png": []byte("a")}}
	f := fetching(t, b, "s3://b/in/a\x1bb.png", "s3://b/in/a\x00b.png")
	if err := f.Start(t.Context()); err != nil || len(f.Images) != 1 || slices.Contains(b.gets, "in/a\x00b.png") {
		t.Errorf("%v: %q", err, f.Images)
	}
	kept := filepath.Join(f.Dir, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"s3://b/..", "s3://b/x/.", "s3://b/x/../"} {
		f.CheckpointURI = uri
		if failure, ok := errors.AsType[*contract.Failure](f.Start(t.Context())); !ok || failure.Code != contract.CodeConfigInvalid {
			t.Errorf("%s: %v", uri, failure)
		}
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestAFolderMayHaveAMark(t *testing.T) {
	const folder = "checkpoints/job-7/best/"
	b := &bucket{objects: map[string][]byte{folder: nil, folder + "sub/": nil, folder + "sub/a": []byte("a"), folder + "config.json": []byte("{}"), "weights/timm/m/": nil}}
	into := filepath.Join(t.TempDir(), "best")
	if err := FetchObject(t.Context(), b, folder, into); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sub/a", "config.json"} {
		if _, err := os.Stat(filepath.Join(into, name)); err != nil {
			t.Error(err)
		}
	}
	if there, err := holds(t.Context(), b, "weights/timm/m/"); there || err != nil {
		t.Error("a mark alone is no weights", err)
	}
}

// What may pass is a failure of the job, which is then run again; what will not is none.
func TestWhatMayPassEndsTheJob(t *testing.T) {
	b := &bucket{objects: map[string][]byte{"checkpoints/job-7/best.pt": []byte("w"), "in/a.png": []byte("a")}}
	b.onGet = func(key string, _ int64) error {
		if key == "in/a.png" {
			return contract.Failf(contract.CodeStorageError, "unreachable")
		}
		return nil
	}
	f := fetching(t, b, "s3://b/in/a.png")
	failure, ok := errors.AsType[*contract.Failure](f.Start(t.Context()))
	if !ok || !failure.Retryable {
		t.Errorf("%+v", failure)
	}
	delete(b.objects, "checkpoints/job-7/best.pt")
	failure, ok = errors.AsType[*contract.Failure](f.Start(t.Context()))
	if !ok || failure.Code != contract.CodeWeightsUnavailable || failure.Retryable {
		t.Errorf("%+v", failure)
	}
}

func TestPartsOfAnotherMachineAreFetchedOnce(t *testing.T) {
	b := &bucket{objects: map[string][]byte{"checkpoints/job-7/best.pt": []byte("w"), "inference-jobs/9/parts/part-000000-aa.jsonl": []byte("{}\n"),
		"inference-jobs/9/visualizations/0.jpg": []byte("abc"), "inference-jobs/9/visualizations/1.jpg": []byte("d"), "inference-jobs/9/odd.txt": []byte("e")}}
	f := fetching(t, b)
	parts := EarlierParts{Prefix: "inference-jobs/9/", Dir: t.TempDir()}
	part := filepath.Join(parts.Dir, "parts", "part-000000-aa.jsonl")
	for _, want := range []string{"{}\n", "own"} { // the second time this machine has its own
		f.Parts = parts
		if err := f.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := f.Parts.Left; len(left) != 1 || left[0].Name != "visualizations/" || left[0].SizeBytes != 4 {
			t.Errorf("drawings of the earlier run: %+v", left)
		}
		if got, err := os.ReadFile(part); err != nil || string(got) != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
		if err := os.WriteFile(part, []byte("own"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFreshStartHasNoParts(t *testing.T) {
	f := fetching(t, &bucket{objects: map[string][]byte{"checkpoints/job-7/best.pt": []byte("w")}})
	f.Parts = EarlierParts{Dir: t.TempDir(), Fresh: true}
	parts := filepath.Join(f.Parts.Dir, "parts")
	if err := os.MkdirAll(filepath.Join(parts, "deeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(parts); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what a killed run had found is taken for this one's", err)
	}
}
