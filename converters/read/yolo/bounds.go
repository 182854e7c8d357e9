package yolo

import (
	"errors"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// errYAML is for YAML that no configuration of a dataset has and that the parser
// takes minutes and gigabytes for: aliases of aliases, brackets in brackets.
var errYAML = errors.New("it has aliases, or is nested too deep")

const (
	maxYAMLBytes  = 2 << 20
	maxFlowDepth  = 64
	maxEntryStart = 1000 // the column of a dash: one line may hold many
	maxMarks      = 1000 // anchors, tags and question marks
)

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
