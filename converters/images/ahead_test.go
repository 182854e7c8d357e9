package images

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mixed is a folder of n files, good and bad, and the catalog that lists them.
func mixed(t *testing.T, n int) (string, *dataset.Catalog) {
	t.Helper()
	root, c := t.TempDir(), new(dataset.Catalog)
	var good bytes.Buffer
	if err := jpeg.Encode(&good, image.NewGray(image.Rect(0, 0, 40, 30)), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		name, content := fmt.Sprintf("%d.jpg", i), good.Bytes()
		switch i % 5 {
		case 1:
			content = nil
		case 2:
			content = []byte("no image")
		case 3:
			name = fmt.Sprint(i) // looked at when it is asked for
		}
		if err := os.WriteFile(filepath.Join(root, "images", name), content, 0o644); err != nil {
			t.Fatal(err)
		}
		c.Images = append(c.Images, dataset.Image{ID: name, File: name})
	}
	return root, c
}

// TestLookingAheadChangesNothing: however far it came, what is found is the same.
func TestLookingAheadChangesNothing(t *testing.T) {
	root, c := mixed(t, 500)
	find := func(ahead func(f *Folder)) ([]File, []problem.Problem) {
		f, problems := Open(root), new(problem.List)
		ahead(f)
		files, err := f.Find(t.Context(), c, problems, nil)
		if err != nil {
			t.Fatal(err)
		}
		return files, problems.Problems()
	}
	files, problems := find(func(*Folder) {})
	if len(problems) != 2 || problems[0].Count != 100 || problems[1].Count != 100 || files[0].Width != 40 || files[1].Path != "" || files[3].Height != 30 {
		t.Fatalf("%+v %+v", problems, files[:4])
	}
	for name, ahead := range map[string]func(f *Folder){
		"stopped by Find": func(f *Folder) { f.LookAhead(t.Context()) },
		"stopped before":  func(f *Folder) { f.LookAhead(t.Context()); f.Close() },
		"cancelled": func(f *Folder) {
			ctx, cancel := context.WithCancel(t.Context())
			f.LookAhead(ctx)
			cancel()
		},
		"at its end": func(f *Folder) {
			f.LookAhead(t.Context())
			_ = f.ahead.Wait()
		},
	} {
		again, found := find(ahead)
		if !reflect.DeepEqual(files, again) || !reflect.DeepEqual(problems, found) {
			t.Errorf("%s: %+v, want %+v", name, found, problems)
		}
	}
}

func TestAFolderThatIsNotThere(t *testing.T) {
	f := Open(filepath.Join(t.TempDir(), "gone"))
	f.LookAhead(t.Context())
	defer f.Close()
	if _, err := f.Find(t.Context(), new(dataset.Catalog), new(problem.List), nil); err == nil {
		t.Error("no error")
	}
}
