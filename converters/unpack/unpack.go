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
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// Source is a dataset in tables.
type Source struct {
	Name    string   // as convert says it
	Missing []string // tables that the names of others count, and that are not here
	Others  []string // columns that would serve as well as those that were taken; after Into
	shards  []shard
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
	return &Source{Name: "huggingface", Missing: missing(shards), shards: shards}, nil
}

// MayHold reports a name that tables with images have.
func MayHold(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".parquet" || ext == ".arrow"
}

// First is the first table, an absolute path.
func (s *Source) First() string { return s.shards[0].path }

// numbered is the name of one table of several: train-00000-of-00003.parquet.
var numbered = regexp.MustCompile(`^(.*)-\d{5}-of-(\d{5})(?:-[0-9a-f]+)?(\.\w+)$`)

// series is tables whose names count each other.
type series struct{ dir, stem, total, ext string }

// missing says of which series some tables are not here.
func missing(shards []shard) (list []string) {
	here := make(map[series]int)
	var order []series
	for _, s := range shards {
		parts := numbered.FindStringSubmatch(filepath.Base(s.path))
		if parts == nil {
			continue
		}
		one := series{filepath.Dir(s.path), parts[1], parts[2], parts[3]}
		if here[one]++; here[one] == 1 {
			order = append(order, one)
		}
	}
	for _, one := range order {
		if total, _ := strconv.Atoi(one.total); here[one] < total {
			list = append(list, fmt.Sprintf("%d of the %d tables %s-*-of-%s%s", total-here[one], total, one.stem, one.total, one.ext))
		}
	}
	return list
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
	use, err := s.shards[0].use(task)
	if err != nil {
		return err
	}
	s.Others = use.others
	w := &writer{dir: dir, use: use, validates: s.has(contract.SplitVal)}
	defer w.close()
	for _, shard := range s.shards {
		if err := s.alike(shard, task, use); err != nil {
			return err
		}
		if err := shard.into(ctx, w); err != nil {
			return err
		}
	}
	return w.finish()
}

// use is which columns of a table the task takes.
func (s shard) use(task contract.TaskType) (use, error) {
	columns, err := s.columns()
	if err != nil {
		return use{}, s.unreadable(0, err)
	}
	return columns.forTask(task)
}

// alike refuses a table of other columns or classes than the first: the numbers of its
// classes would be read as those of the first.
func (s *Source) alike(other shard, task contract.TaskType, first use) error {
	found, err := other.use(task)
	if err != nil || reflect.DeepEqual(found, first) {
		return err
	}
	return contract.Failf(contract.CodeDatasetInvalid, "The tables %s and %s are not of one dataset: their columns or their classes differ.", filepath.Base(s.shards[0].path), filepath.Base(other.path)).
		WithHint("Upload the tables of one dataset, all written with the same features.")
}

// into writes the rows of one table.
func (s shard) into(ctx context.Context, w *writer) error {
	rows := 0
	err := s.each(w.use.names(), func(row map[string]any) error {
		rows++
		if w.rows++; w.rows > maxRows {
			return contract.Failf(contract.CodeDatasetTooLarge, "The dataset has more than %d rows.", maxRows)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return w.row(row, s.split)
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return s.unreadable(rows, err)
}

// unreadable says of a table where it is broken.
func (s shard) unreadable(row int, err error) error {
	_, known := errors.AsType[*contract.Failure](err)
	_, ofDisk := errors.AsType[*fs.PathError](err)
	if known || ofDisk {
		return err
	}
	where := ""
	if row > 0 {
		where = fmt.Sprintf(", row %d", row)
	}
	return contract.Failf(contract.CodeDatasetInvalid, "The table %s cannot be read%s: %v.", filepath.Base(s.path), where, err).
		WithHint("Write it again with datasets' to_parquet or save_to_disk.")
}

func (s *Source) has(split contract.Split) bool {
	return slices.ContainsFunc(s.shards, func(x shard) bool { return x.split == split })
}
