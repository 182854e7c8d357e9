package unpack

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/parquet-go/parquet-go"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// Small files that ask for much, and tables that are not of one dataset.

func featuresOf(names string) string {
	return `{"info": {"features": {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": [` + names + `]}}}}`
}

// arrowField is a column of an Arrow schema; size is that of a list of one length.
func arrowField(b *flatbuffers.Builder, name string, kind byte, size int32, children ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	text, list := b.CreateString(name), offsets(b, children...)
	b.StartObject(1)
	b.PrependInt32Slot(0, size, 0)
	of := b.EndObject()
	b.StartObject(7)
	b.PrependUOffsetTSlot(0, text, 0)
	b.PrependByteSlot(2, kind, 0)
	b.PrependUOffsetTSlot(3, of, 0)
	b.PrependUOffsetTSlot(5, list, 0)
	return b.EndObject()
}

func offsets(b *flatbuffers.Builder, list ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	b.StartVector(4, len(list), 4)
	for _, o := range slices.Backward(list) {
		b.PrependUOffsetT(o)
	}
	return b.EndVector(len(list))
}

// arrowSchema is a file's first message.
func arrowSchema(b *flatbuffers.Builder, features string, fields ...flatbuffers.UOffsetT) []byte {
	key, value := b.CreateString(metadataKey), b.CreateString(features)
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, key, 0)
	b.PrependUOffsetTSlot(1, value, 0)
	meta := offsets(b, b.EndObject())
	list := offsets(b, fields...)
	b.StartObject(3)
	b.PrependUOffsetTSlot(1, list, 0)
	b.PrependUOffsetTSlot(2, meta, 0)
	return arrowMessage(b, messageSchema, b.EndObject())
}

func arrowMessage(b *flatbuffers.Builder, kind byte, header flatbuffers.UOffsetT) []byte {
	b.StartObject(4)
	b.PrependByteSlot(1, kind, 0)
	b.PrependUOffsetTSlot(2, header, 0)
	b.Finish(b.EndObject())
	meta := b.FinishedBytes()
	out := binary.LittleEndian.AppendUint32(nil, math.MaxUint32)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(meta))), meta...)
}

func TestASchemaThatRepeatsItselfIsRefused(t *testing.T) {
	b := flatbuffers.NewBuilder(0)
	f := arrowField(b, "x", typeNull, 0)
	for range maxNested - 1 {
		f = arrowField(b, "x", typeStruct, 0, f, f, f, f, f, f, f, f)
	}
	s := shard{path: filepath.Join(t.TempDir(), "a.arrow"), arrow: true}
	if err := os.WriteFile(s.path, arrowSchema(b, "", f), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.columns(); err == nil || !strings.Contains(err.Error(), "more than 10000 columns") {
		t.Error(err)
	}
}

func TestAListWithoutContentIsBounded(t *testing.T) {
	b := flatbuffers.NewBuilder(0)
	null := arrowField(b, "item", typeNull, 0)
	content := arrowSchema(b, featuresOf(`"cat"`), arrowField(b, "image", typeNull, 0), arrowField(b, "label", typeFixedList, math.MaxInt32, null))
	b = flatbuffers.NewBuilder(0)
	b.StartVector(16, 1, 8) // where the list's validity is: nowhere
	b.PrependInt64(0)
	b.PrependInt64(0)
	buffers := b.EndVector(1)
	b.StartObject(4)
	b.PrependInt64Slot(0, 1, 0)
	b.PrependUOffsetTSlot(2, buffers, 0)
	content = append(content, arrowMessage(b, messageBatch, b.EndObject())...)
	s := shard{path: filepath.Join(t.TempDir(), "a.arrow"), arrow: true}
	if err := os.WriteFile(s.path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	err := (&Source{shards: []shard{s}}).Into(context.Background(), contract.TaskImageClassification, filepath.Join(t.TempDir(), "out"))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("a row has more than %d values", maxValues)) {
		t.Error(err)
	}
}

type cell struct {
	Bytes []byte `parquet:"bytes"`
	Path  string `parquet:"path"`
}

// pet is a row as pandas writes it: its number is no int64.
type pet struct {
	Image cell  `parquet:"image"`
	Label int32 `parquet:"label"`
}

func putParquet(t *testing.T, file, features string, labels ...int32) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w := parquet.NewGenericWriter[pet](f, parquet.KeyValueMetadata(metadataKey, features))
	for _, label := range labels {
		if _, err := w.Write([]pet{{cell{[]byte("\x89PNG"), "a.png"}, label}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTablesAreOfOneDatasetOrRefused(t *testing.T) {
	for name, c := range map[string]struct {
		classes string
		labels  []int32
		says    string
	}{
		"the same":      {`"cat", "dog"`, []int32{0, 1}, ""},
		"other numbers": {`"dog", "cat"`, []int32{0, 1}, "train-00000-of-00003.parquet and val-00000-of-00001.parquet are not of one dataset"},
		"a wrong row":   {`"cat", "dog"`, []int32{0, 7}, "val-00000-of-00001.parquet cannot be read, row 2: the class 7"},
	} {
		t.Run(name, func(t *testing.T) {
			root, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
			putParquet(t, filepath.Join(root, "train-00000-of-00003.parquet"), featuresOf(`"cat", "dog"`), 1, 0, 1)
			putParquet(t, filepath.Join(root, "val-00000-of-00001.parquet"), featuresOf(c.classes), c.labels...)
			tree, err := images.ReadTree(root)
			if err != nil {
				t.Fatal(err)
			}
			source, err := Find(tree)
			if err != nil || source == nil {
				t.Fatal(source, err)
			}
			if want := []string{"2 of the 3 tables train-*-of-00003.parquet"}; !slices.Equal(source.Missing, want) {
				t.Errorf("missing %q", source.Missing)
			}
			err = source.Into(context.Background(), contract.TaskImageClassification, out)
			if c.says != "" {
				if f := contract.AsFailure(err); f == nil || !strings.Contains(f.Message, c.says) {
					t.Errorf("%v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := readDocument(t, out); len(d.Images) != 5 || d.Images[0].Annotation.Class != 1 {
				t.Errorf("%+v", d)
			}
		})
	}
}
