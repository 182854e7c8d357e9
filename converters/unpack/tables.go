package unpack

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// metadataKey is under which the library keeps its features in a table.
const metadataKey = "huggingface"

// recovered turns a panic of a decoder, which a broken file can cause, into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("it is broken: %v", r)
	}
}

func (s shard) columns() (c columns, err error) {
	defer recovered(&err)
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if s.arrow {
		a, err := openArrow(f)
		if err != nil {
			return nil, err
		}
		return declared(a.meta, ofArrow(a.fields)), nil
	}
	file, err := openParquet(f)
	if err != nil {
		return nil, err
	}
	text, _ := file.Lookup(metadataKey)
	return declared(text, ofParquet(file.Schema().Fields())), nil
}

// declared is what the library says, else what the schema looks like.
func declared(text string, schema columns) columns {
	if c := features(text); c != nil {
		return c
	}
	return schema
}

func openParquet(f *os.File) (*parquet.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return parquet.OpenFile(f, info.Size())
}

func ofArrow(fields []field) (list columns) {
	for _, f := range fields {
		c := column{name: f.name}
		for f.kind == typeList && len(f.children) == 1 {
			f = f.children[0]
		}
		for _, part := range f.children {
			c.parts = append(c.parts, part.name)
		}
		list = append(list, c.guess())
	}
	return list
}

func ofParquet(fields []parquet.Field) (list columns) {
	for _, f := range fields {
		c := column{name: f.Name()}
		node := parquet.Node(f)
		for len(node.Fields()) == 1 && (node.Fields()[0].Name() == "list" || node.Fields()[0].Name() == "element") {
			node = node.Fields()[0]
		}
		for _, part := range node.Fields() {
			c.parts = append(c.parts, part.Name())
		}
		list = append(list, c.guess())
	}
	return list
}

// guess tells an image by its parts, where nothing declares it.
func (c column) guess() column {
	has := map[string]bool{}
	for _, part := range c.parts {
		has[part] = true
	}
	c.image = len(has) == 2 && has["bytes"] && has["path"]
	return c
}

// each calls take for every row with the columns of these names at least, as maps,
// lists, numbers, string and []byte.
func (s shard) each(names []string, take func(map[string]any) error) (err error) {
	defer recovered(&err)
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if s.arrow {
		a, err := openArrow(f)
		if err != nil {
			return err
		}
		return a.each(names, take)
	}
	return eachOfParquet(f, take)
}

func eachOfParquet(f *os.File, take func(map[string]any) error) error {
	file, err := openParquet(f)
	if err != nil {
		return err
	}
	r := parquet.NewGenericReader[any](file)
	defer func() { _ = r.Close() }()
	rows := make([]any, 1)
	for {
		n, err := r.Read(rows)
		if n == 1 {
			row, ok := rows[0].(map[string]any)
			if !ok {
				return fmt.Errorf("a row is a %T", rows[0])
			}
			if err := take(row); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.ErrNoProgress
		}
	}
}
