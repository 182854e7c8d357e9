package yolo

import (
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// errYAML is for YAML that no configuration of a dataset has and that the parser
// takes minutes and gigabytes for: aliases of aliases, brackets in brackets.
var errYAML = errors.New("it has aliases, or is nested too deep")

const (
	maxYAMLBytes  = 2 << 20
	maxYAMLSigns  = 200_000 // the parser takes up to 2 kB for what stands between two of them
	maxFlowDepth  = 64
	maxEntryStart = 1000 // the column of a dash: one line may hold many
	maxMarks      = 1000 // anchors, tags and question marks
)

// yamlSigns are what the parser begins a value at. The largest published vocabulary,
// ImageNet's 21,841 names with synonyms, has 110,000.
const yamlSigns = "[]{},:#\"'?%~-"

// configText reads a YAML file. One that is too large is refused if it is meant as
// data.yaml: without it the classes would have no names.
func configText(f *layout.Folder, name string) (string, error) {
	text, err := f.ReadText(name, maxYAMLBytes)
	signs := 0
	for _, sign := range yamlSigns {
		signs += strings.Count(text, string(sign))
	}
	if err == nil && signs > maxYAMLSigns {
		err = contract.Failf(contract.CodeDatasetTooLarge, "%s has more than %d of the signs %s.", name, maxYAMLSigns, yamlSigns)
	}
	failure, large := errors.AsType[*contract.Failure](err)
	if !large {
		return text, err
	}
	if !slices.Contains(usualConfigs, configStem(name)) && !meantAsConfig(head(f.Path(name))) {
		return "", errYAML
	}
	return "", failure.WithHint("Write the names of the classes into a file, one a line, and its name into %s: names: classes.names.", path.Base(name))
}

// head is the beginning of a file, or nothing.
func head(file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, maxLabelBytes))
	return text
}

// boundedYAML looks at the tokens of a YAML text before it is parsed, which is
// quick whatever the text.
func boundedYAML(text []byte) error {
	depth, marks := 0, 0
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.AliasType:
			return errYAML
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.AnchorType, token.TagType, token.MappingKeyType:
			marks++
		case token.SequenceEntryType:
			if t.Position.Column > maxEntryStart {
				return errYAML
			}
		}
		if depth > maxFlowDepth || marks > maxMarks {
			return errYAML
		}
	}
	return nil
}
