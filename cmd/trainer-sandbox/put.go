package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

// filesAtOnce keeps small files from waiting for each other's round trips.
const filesAtOnce = 8

type putCmd struct {
	Dataset   string `arg:"" type:"existingpath" help:"The dataset: a folder, or a .zip of one."`
	ID        string `help:"DATASET_ID of the jobs that use it (default: the name of the folder or zip)." placeholder:"ID"`
	Endpoint  string `env:"S3_ENDPOINT" help:"Address of the store; none means AWS." placeholder:"URL"`
	Bucket    string `env:"BUCKET_NAME" default:"vision-platform" help:"Bucket of the datasets."`
	Region    string `env:"AWS_REGION" help:"Region of the bucket." placeholder:"NAME"`
	AccessKey string `env:"AWS_ACCESS_KEY_ID" help:"Access key; without keys the SDK's default chain is asked." placeholder:"KEY"`
	SecretKey string `env:"AWS_SECRET_ACCESS_KEY" help:"Secret of the access key." placeholder:"KEY"`
}

// Help has the examples.
func (putCmd) Help() string {
	return `Examples:
  trainer-sandbox put ./cells
  trainer-sandbox put cells.zip --id cells-2026-11 --endpoint http://127.0.0.1:9000

"serve" prints the environment that this command reads. A zip becomes the object
datasets/ID.zip, a folder the objects below datasets/ID/; what file managers leave
behind is not uploaded. Annotations are uploaded last, so that no job takes a half
uploaded dataset for complete.`
}

// Run uploads the dataset.
func (c *putCmd) Run(ctx context.Context) error {
	id := cmp.Or(c.ID, strings.TrimSuffix(filepath.Base(c.Dataset), ".zip"))
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,256}$`).MatchString(id) {
		return fmt.Errorf("%q cannot be a DATASET_ID: give --id with up to 256 letters, digits, dots, underscores or hyphens", id)
	}
	files, err := filesOf(c.Dataset, id)
	if err != nil {
		return err
	}
	store, err := storage.Open(ctx, storage.Config{
		Type: contract.StorageS3, Endpoint: c.Endpoint, Region: c.Region, Bucket: c.Bucket, AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey,
	})
	if err != nil {
		return err
	}
	if err := upload(ctx, store, files, newMeter(os.Stderr, files)); err != nil {
		return err
	}
	fmt.Printf("DATASET_ID=%s\n", id)
	return nil
}

// local is a file and the object that it becomes.
type local struct {
	path, key string
	size      int64 // bytes
}

// filesOf lists what is uploaded, annotations last.
func filesOf(dataset, id string) (files []local, err error) {
	info, err := os.Stat(dataset)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !strings.EqualFold(filepath.Ext(dataset), ".zip") {
			return nil, fmt.Errorf("%s is neither a folder nor a .zip", dataset)
		}
		return []local{{dataset, contract.DatasetZipKey(id), info.Size()}}, nil
	}
	err = filepath.WalkDir(dataset, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dataset, name)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(relative)
		info, err := os.Stat(name) // a link to a file is that file
		if err != nil || tree.Junk(key) || !info.Mode().IsRegular() {
			return err
		}
		files = append(files, local{name, path.Join(contract.DatasetPrefix(id), key), info.Size()})
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no file in %s", dataset)
	}
	slices.SortStableFunc(files, func(a, b local) int { return cmp.Compare(last(a), last(b)) })
	return files, err
}

// last is 1 for the files that name the others.
func last(f local) int {
	if slices.Contains([]string{".json", ".yaml", ".yml"}, strings.ToLower(path.Ext(f.key))) {
		return 1
	}
	return 0
}

func upload(ctx context.Context, store storage.Store, files []local, m *meter) error {
	describing := slices.IndexFunc(files, func(f local) bool { return last(f) == 1 })
	if describing < 0 {
		describing = len(files)
	}
	defer m.end()
	for _, part := range [][]local{files[:describing], files[describing:]} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(filesAtOnce)
		for _, f := range part {
			group.Go(func() error { return putFile(ctx, store, f, m) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func putFile(ctx context.Context, store storage.Store, f local, m *meter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := store.Put(ctx, f.key, file, f.size, nil)
	if err == nil && info.Size != f.size {
		err = errors.New("it changed while it was uploaded")
	}
	if err != nil {
		return fmt.Errorf("uploading %s: %w", f.path, err)
	}
	m.add(f.size)
	return nil
}

// newMeter counts the files before the first is sent.
func newMeter(w io.Writer, files []local) *meter {
	m := &meter{out: w, files: len(files)}
	for _, f := range files {
		m.bytes += f.size
	}
	return m
}
