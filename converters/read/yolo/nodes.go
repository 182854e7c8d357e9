package yolo

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// The nodes of a YAML text are read as they are written: a class called 1.10 or no
// stays what its author typed, where a value would be a number or a truth.

func pairs(node ast.Node) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// scalar is the text of a value that is neither a list nor an object; empty for null.
func scalar(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.TagNode:
		return scalar(n.Value)
	case *ast.AnchorNode:
		return scalar(n.Value)
	case *ast.NullNode, *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, nil:
		return ""
	}
	if token := node.GetToken(); token != nil {
		return token.Value
	}
	return ""
}

// scalars are the entries of a list, or the one value that there is.
func scalars(node ast.Node) []string {
	if list, ok := node.(*ast.SequenceNode); ok {
		out := make([]string, len(list.Values))
		for i, v := range list.Values {
			out[i] = scalar(v)
		}
		return out
	}
	if one := scalar(node); one != "" {
		return []string{one}
	}
	return nil
}

// place is where a value stands, line and column.
func place(node ast.Node) string {
	if token := node.GetToken(); token != nil && token.Position != nil {
		return fmt.Sprintf("[%d:%d]", token.Position.Line, token.Position.Column)
	}
	return ""
}

func numbers(node ast.Node) []int {
	var out []int
	for _, text := range scalars(node) {
		v, err := strconv.Atoi(text)
		if err != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}
