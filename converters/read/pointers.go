package read

import (
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/text"
)

// described are the suffixes of files that say what a dataset is; those of labels, of
// which each image may have one, are judged as they are read.
var described = []string{".json", ".jsonl", ".yaml", ".yml", ".csv", ".tsv", ".parquet", ".arrow", ".xml"}

// maxPointers bounds the files that are opened: where the first are none, the others
// are hardly.
const maxPointers = 64

// Fetched refuses a dataset whose annotations are pointers of Git LFS. A data.yaml
// that is one would be read as one without names.
func Fetched(t *images.Tree) error {
	looked := 0
	for _, name := range t.Names() {
		if !slices.Contains(described, strings.ToLower(path.Ext(name))) {
			continue
		}
		if looked++; looked > maxPointers {
			return nil
		}
		if err := fetched(t.Path(name), name); err != nil {
			return err
		}
	}
	return nil
}

func fetched(file, name string) error {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > text.MaxPointer {
		return nil // its reader says what is wrong
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if head, _ := io.ReadAll(io.LimitReader(f, text.MaxPointer)); !text.IsPointer(head) {
		return nil
	}
	return contract.Failf(contract.CodeDatasetInvalid, "%s is a pointer of Git LFS, not the file that it stands for.", name).
		WithHint("Run git lfs pull in the repository, and upload the dataset again.")
}
