// Package unpack turns a dataset of Hugging Face Datasets, whose images lie inside
// of tables (parquet, or Arrow files as save_to_disk writes them), into a folder of
// images with annotations.json, or with masks, that the readers read.
//
// It promises the splits and the names of classes that the tables declare, and that
// a table which lacks what the task needs is refused with the columns that it has.
// It leaves everything else to the readers, as of any other dataset.
package unpack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// Source is a dataset in tables.
type Source struct {
	Name   string // as convert says it
	shards []shard
}

// shard is one file of a split.
type shard struct {
	path  string
	split contract.Split // empty when nothing names it
	arrow bool
}

// maxDown is how many folders down tables are looked for, maxShards how many there
// may be, maxRows the rows of all.
const (
	maxDown   = 3
	maxShards = 100_000
	maxRows   = 10_000_000
)

// Find looks for tables with images in them. It is nil for a folder without any.
func Find(tree *images.Tree) (*Source, error) {
	var shards []shard
	for _, name := range tree.Names() {
		if strings.Count(name, "/") > maxDown {
			continue
		}
		if s, ok := shardOf(tree.Path(name)); ok {
			shards = append(shards, s)
		}
		if len(shards) > maxShards {
			return nil, contract.Failf(contract.CodeDatasetTooLarge, "The dataset has more than %d tables.", maxShards)
		}
	}
	if len(shards) == 0 || !shards[0].hasImages() {
		return nil, nil // tables of something else are the readers' to name
	}
	return &Source{Name: "huggingface", shards: shards}, nil
}

func (s shard) hasImages() bool {
	columns, err := s.columns()
	return err == nil && columns.images() != nil
}

// shardOf takes parquet files, and the Arrow files of a folder that save_to_disk wrote.
func shardOf(path string) (shard, bool) {
	name, dir := filepath.Base(path), filepath.Dir(path)
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	switch strings.ToLower(filepath.Ext(name)) {
	case ".parquet":
		split := layout.SplitOf(stem)
		if split == "" {
			split = layout.SplitOf(filepath.Base(dir))
		}
		return shard{path: path, split: split}, true
	case ".arrow":
		state, err := readState(filepath.Join(dir, "state.json"))
		if err != nil || !slices.Contains(state.files(), name) {
			return shard{}, false
		}
		split := layout.OnlySplit(filepath.Base(dir))
		if split == "" {
			split = layout.SplitOf(state.Split)
		}
		return shard{path: path, split: split, arrow: true}, true
	}
	return shard{}, false
}

// state is what save_to_disk writes beside its files.
type state struct {
	Data []struct {
		Name string `json:"filename"`
	} `json:"_data_files"`
	Split string `json:"_split"`
}

func (s state) files() (names []string) {
	for _, d := range s.Data {
		names = append(names, d.Name)
	}
	return names
}

const maxStateBytes = 16 << 20

func readState(file string) (s state, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer func() { _ = f.Close() }()
	err = json.NewDecoder(io.LimitReader(f, maxStateBytes)).Decode(&s)
	return s, err
}

// Into writes the images and what is said of them to dir, which is replaced.
func (s *Source) Into(ctx context.Context, task contract.TaskType, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing an earlier %s: %w", dir, err)
	}
	columns, err := s.shards[0].columns()
	if err != nil {
		return err
	}
	use, err := columns.forTask(task)
	if err != nil {
		return err
	}
	w := &writer{dir: dir, use: use, validates: s.has(contract.SplitVal)}
	for _, shard := range s.shards {
		err := shard.each(func(row map[string]any) error {
			if w.rows++; w.rows > maxRows {
				return contract.Failf(contract.CodeDatasetTooLarge, "The dataset has more than %d rows.", maxRows)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			return w.row(row, shard.split)
		})
		if err != nil {
			_, known := errors.AsType[*contract.Failure](err)
			_, ofDisk := errors.AsType[*fs.PathError](err)
			if !known && !ofDisk && ctx.Err() == nil {
				err = contract.Failf(contract.CodeDatasetInvalid, "The table %s cannot be read, row %d: %v.", filepath.Base(shard.path), w.rows, err).
					WithHint("Write it again with datasets' to_parquet or save_to_disk.")
			}
			return err
		}
	}
	return w.finish()
}

func (s *Source) has(split contract.Split) bool {
	return slices.ContainsFunc(s.shards, func(x shard) bool { return x.split == split })
}
