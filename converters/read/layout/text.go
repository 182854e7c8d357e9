package layout

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/text"
)

// ReadText reads a text file of the dataset, of at most limit bytes: a list, the
// names of classes, a configuration. It is UTF-8 or UTF-16, as editors on Windows
// write both, or in a code page, which ReportText says.
func (f *Folder) ReadText(name string, limit int64) (string, error) {
	info, err := os.Stat(f.Path(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	if info.Size() > limit {
		return "", contract.Failf(contract.CodeDatasetTooLarge, "%s has %d bytes, more than %d.", name, info.Size(), limit)
	}
	content, err := os.ReadFile(f.Path(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	decode := text.Decode
	if strings.EqualFold(path.Ext(name), ".xml") {
		decode = text.DecodeXML
	}
	out, encoding := decode(content)
	if text.IsPage(encoding) {
		f.legacy[name] = encoding
	}
	return out, nil
}

// ReportText adds the text files that were read in a code page to the problems.
func (f *Folder) ReportText(problems *problem.List) {
	for i, name := range slices.Sorted(maps.Keys(f.legacy)) {
		problems.Add(problem.TextNotUTF8, i, "%s as %s", name, f.legacy[name])
	}
}
