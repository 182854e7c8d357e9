package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// imageNames reads the file_name of every image of an annotations file, and
// holds nothing else of it in memory.
func imageNames(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readImageNames(bufio.NewReaderSize(f, 128<<10))
}

func readImageNames(r io.Reader) ([]string, error) {
	dec := json.NewDecoder(r)
	if err := expect(dec, '{'); err != nil {
		return nil, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if key == "images" {
			return readImages(dec)
		}
		if err := skip(dec); err != nil {
			return nil, err
		}
	}
	return nil, errors.New(`it has no "images"`)
}

func readImages(dec *json.Decoder) ([]string, error) {
	if err := expect(dec, '['); err != nil {
		return nil, err
	}
	var names []string
	for dec.More() {
		var image struct {
			FileName string `json:"file_name"`
		}
		if err := dec.Decode(&image); err != nil {
			return nil, err
		}
		if image.FileName != "" {
			names = append(names, image.FileName)
		}
	}
	return names, nil
}

func expect(dec *json.Decoder, delim json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != delim {
		return fmt.Errorf("%v where %v should stand", t, delim)
	}
	return nil
}

// skip passes over one value of any size.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
