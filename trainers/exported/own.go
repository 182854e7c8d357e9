package exported

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/ui"
)

// maxDifferences is how many are told: of a wholly other metadata.json each field is one.
const maxDifferences = 20

// compare fills in what the model's file shows: its checksum, and where metadata.json says
// otherwise than the file. The sum alone tells nothing of metadata.json, in which two
// classes may have changed places.
func (f *Found) compare(tree fs.FS, text []byte) error {
	model := f.Metadata.Model
	if !fs.ValidPath(model.File) {
		return fmt.Errorf("the name %q leads outside", model.File)
	}
	own, err := f.ownMetadata(tree, model)
	if err != nil {
		return err
	}
	var size int64
	f.Checksum, size = checksum(tree, model)
	if f.Checksum == "differs" { // it is another file, and says other things
		return nil
	}
	if model.SizeBytes != 0 && size != model.SizeBytes {
		f.Differences = append(f.Differences, fmt.Sprintf("model.size_bytes is %d, the model has %d", model.SizeBytes, size))
	}
	f.Differences = append(f.Differences, differences(own, text)...)
	if f.ONNX != nil {
		f.Differences = append(f.Differences, f.ONNX.otherwise(f.Metadata)...)
	}
	if more := len(f.Differences) - maxDifferences; more > 0 {
		f.Differences = append(f.Differences[:maxDifferences], fmt.Sprintf("and %d more", more))
	}
	return nil
}

// Fault is why the model and its metadata do not belong together.
func (f *Found) Fault() error {
	switch {
	case f.Checksum == "differs":
		return fmt.Errorf("%q is not the file that metadata.json describes: its sha256 differs. Export it again", f.Metadata.Model.File)
	case len(f.Differences) > 0:
		return fmt.Errorf("metadata.json does not describe %q as it is: %s. Take the package as it was exported", f.Metadata.Model.File, ui.Clean(f.Differences[0]))
	}
	return nil
}

// ownMetadata is what a package's model says of itself; "" where it cannot.
func (f *Found) ownMetadata(tree fs.FS, model Model) (string, error) {
	name := model.File
	info, err := fs.Stat(tree, name)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		if model.Format != "openvino" {
			return "", nil // Core ML's is a binary program
		}
		names, _ := fs.Glob(tree, path.Join(escaped(name), "*.xml")) // the pattern is well-formed
		if len(names) != 1 {
			return "", fmt.Errorf("%d files .xml, an OpenVINO model has one", len(names))
		}
		name = names[0]
	}
	file, err := opened(tree, name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	return f.says(file, "."+model.Format)
}

// escaped is a name as a pattern that matches nothing else.
func escaped(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// says is the metadata inside a model's file, which is of the kind that a name's end tells; "" where it has none.
func (f *Found) says(file *os.File, name string) (text string, err error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".onnx":
		if f.ONNX, err = ReadONNX(file); err != nil {
			return "", err
		}
		return f.ONNX.Props["metadata"], nil
	case ".xml", ".openvino":
		return openvinoMetadata(file)
	case ".torchscript":
		return zippedMetadata(file, "a TorchScript model")
	case ".tflite":
		magic := make([]byte, 4)
		if _, err := file.ReadAt(magic, 4); err != nil || string(magic) != "TFL3" {
			return "", errors.New("not a TensorFlow Lite model")
		}
		return zippedMetadata(file, "")
	}
	return "", nil
}

// zippedMetadata is the extra file of TorchScript, or what is appended to a TFLite model, as TensorFlow's metadata are.
// `what` is a model that is an archive itself.
func zippedMetadata(file *os.File, what string) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	archive, err := zip.NewReader(file, info.Size())
	switch {
	case err != nil && what != "":
		return "", fmt.Errorf("not %s: %w", what, err)
	case err != nil:
		return "", nil //nolint:nilerr // a model without an archive carries no metadata
	}
	for _, entry := range archive.File {
		if entry.Name == "metadata.json" || strings.HasSuffix(entry.Name, "/extra/metadata.json") {
			text, err := readLimited(archive, entry.Name)
			return string(text), err
		}
	}
	return "", nil
}

// opened is a file of a tree; one inside a zip is unpacked beside first, for it is read with jumps.
func opened(tree fs.FS, name string) (*os.File, error) {
	file, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	if onDisk, ok := file.(*os.File); ok {
		return onDisk, nil
	}
	defer func() { _ = file.Close() }()
	scratch, err := os.CreateTemp("", "model-*")
	if err != nil {
		return nil, fmt.Errorf("unpacking the model: %w", err)
	}
	err = os.Remove(scratch.Name()) // without a name it is nobody else's to change
	if err == nil {
		_, err = io.Copy(scratch, io.LimitReader(file, maxUnpacked))
	}
	if err == nil {
		_, err = scratch.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = scratch.Close()
		return nil, fmt.Errorf("unpacking the model: %w", err)
	}
	return scratch, nil
}

// differences are the fields of the model's own metadata that metadata.json lacks or has
// otherwise. metadata.json may have more: sums and measurements came after the file.
func differences(own string, text []byte) []string {
	if own == "" {
		return nil
	}
	inside, err := decoded([]byte(own))
	if err != nil {
		return []string{"the model's own metadata is no JSON"}
	}
	beside, err := decoded(text)
	if err != nil {
		return []string{"metadata.json is no JSON"}
	}
	var found []string
	otherwise("", inside, beside, &found)
	return found
}

func decoded(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}

func otherwise(place string, inside, beside any, found *[]string) {
	object, ok := inside.(map[string]any)
	if other, same := beside.(map[string]any); ok && same {
		for _, key := range slices.Sorted(maps.Keys(object)) {
			otherwise(strings.TrimPrefix(place+"."+key, "."), object[key], other[key], found)
		}
		return
	}
	list, ok := inside.([]any)
	if other, same := beside.([]any); ok && same {
		if len(list) != len(other) {
			*found = append(*found, fmt.Sprintf("%s has %d entries, in the model %d", place, len(other), len(list)))
			return
		}
		for i := range list {
			otherwise(place+"["+strconv.Itoa(i)+"]", list[i], other[i], found)
		}
		return
	}
	if !reflect.DeepEqual(inside, beside) {
		*found = append(*found, fmt.Sprintf("%s is %s, in the model %s", place, shortly(beside), shortly(inside)))
	}
}

// shortly is a value as JSON, of a long one its beginning.
func shortly(value any) string {
	const most = 60
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // it was JSON
	text := []rune(strings.TrimSpace(out.String()))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// otherwise compares the graph's inputs and outputs with those of metadata.json, also where the file has no metadata of its own.
func (o *ONNX) otherwise(m *Metadata) []string {
	found := edge("input", Output{Name: m.Input.Name, DType: m.Input.DType, Shape: m.Input.Shape}, o.Inputs)
	for _, output := range m.Outputs {
		found = append(found, edge("output", output, o.Outputs)...)
	}
	return found
}

func edge(what string, told Output, graph []Value) []string {
	at := slices.IndexFunc(graph, func(v Value) bool { return v.Name == told.Name })
	if at < 0 {
		return []string{fmt.Sprintf("the graph has no %s %q", what, told.Name)}
	}
	value := graph[at]
	if value.DType != told.DType {
		return []string{fmt.Sprintf("the %s %s is %s, in the graph %s", what, told.Name, told.DType, value.DType)}
	}
	if len(value.Shape) > 0 && len(value.Shape) != len(told.Shape) {
		return []string{fmt.Sprintf("the %s %s has the shape %v, in the graph %v", what, told.Name, told.Shape, value.Shape)}
	}
	for i, side := range value.Shape {
		if _, err := strconv.ParseInt(side, 10, 64); err == nil && side != strconv.FormatInt(told.Shape[i], 10) { // a free side has a name
			return []string{fmt.Sprintf("the %s %s has the shape %v, in the graph %v", what, told.Name, told.Shape, value.Shape)}
		}
	}
	return nil
}
