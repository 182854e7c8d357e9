package converters_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// readWith runs a script of testdata/readers over all requests at once.
func readWith(t *testing.T, script string, requests, results any) {
	t.Helper()
	in, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), need.Python(t), filepath.Join("..", "testdata", "readers", script))
	cmd.Env = append(os.Environ(), "YOLO_CONFIG_DIR="+t.TempDir(), "HF_HOME="+t.TempDir(), "OMP_NUM_THREADS=2")
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	if err := json.Unmarshal(out, results); err != nil {
		t.Fatalf("%s: %v in %.500s", script, err, out)
	}
}

type item struct {
	Name   string `json:"name"`
	Task   string `json:"task,omitempty"`
	Dir    string `json:"dir"`
	Config string `json:"config,omitempty"`
}

// hostile is a dataset with everything that readers silently misread, where the
// task allows: it must come out with counts that equal ours.
func hostile(t *testing.T, seed uint64, annotation func(r *rand.Rand, class int, x, y, w, h float64) m) string {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	files, images := m{}, []any{}
	names := []string{"a/x.jpg", "b/x.jpg", "b/x.png", "images/y.jpg", "labels/y.jpg", ".hidden/z.jpg", "v1.2/p.jpg",
		"한국어 사진.jpg", "e\u0301.jpg", "with space #1.JPG", "a.b.c.jpeg", "100%20.jpg", "line\u2028sep.jpg", "UPPER.JPG"}
	for i := range 30 {
		names = append(names, fmt.Sprintf("n/%d.jpg", i))
	}
	for i, name := range names {
		w, h := 64+r.IntN(40), 48+r.IntN(40)
		var content []byte
		switch {
		case strings.HasSuffix(name, ".png"):
			content = pngOf(w, h)
		case i%11 == 3: // stored on its side
			content = rotated(h, w, 6)
		case i%11 == 4: // a phone's trailer behind the end marker
			content = append(jpegOf(w, h), "trailer"...)
		default:
			content = jpegOf(w, h)
		}
		files["images/"+name] = content
		annotations := []any{}
		for range r.IntN(5) {
			x, y := r.Float64()*float64(w)*0.9, r.Float64()*float64(h)*0.9
			bw, bh := 3+r.Float64()*float64(w)/2, 3+r.Float64()*float64(h)/2 // some stick out
			annotations = append(annotations, annotation(r, []int{10, 20, 7}[r.IntN(3)], x, y, bw, bh))
		}
		if len(annotations) > 1 && i%3 == 0 {
			annotations = append(annotations, annotations[0]) // the same again
		}
		// Every third image has the wrong size in the file.
		images = append(images, m{"id": fmt.Sprint("im-", i), "file_name": name, "width": w * (1 + i%3/2), "height": h, "annotations": annotations})
	}
	files["annotations.json"] = m{
		"classes": []any{m{"id": 10, "name": "no"}, m{"id": 20, "name": "1e3"}, m{"id": 7, "name": `quote " and \ and 네모`}},
		"images":  images,
	}
	return folder(t, files)
}

func plainBox(_ *rand.Rand, class int, x, y, w, h float64) m {
	return m{"class_id": class, "bbox": []float64{x, y, w, h}}
}

// shape makes triangles, two-part objects, and twins with one bounding box.
func shape(r *rand.Rand, class int, x, y, w, h float64) m {
	rings := [][]float64{{x, y, x + w, y, x + w/2, y + h}}
	switch r.IntN(3) {
	case 0:
		rings = append(rings, []float64{x, y + h, x + w, y + h, x + w/3, y + h/2, x, y + h})
	case 1:
		x, y, w, h = 5, 5, 20, 20
		rings = [][]float64{{x, y, x + w, y, x + w, y + h, x + float64(r.IntN(18)), y + h - 1, x, y + h}}
	}
	return m{"class_id": class, "bbox": []float64{x, y, w, h}, "segmentation": rings}
}

func pose(r *rand.Rand, class int, x, y, w, h float64) m {
	points := []float64{}
	for range 4 {
		points = append(points, x+r.Float64()*w, y+r.Float64()*h, float64(r.IntN(3)))
	}
	points = append(points, -1, -1, 0)
	return m{"class_id": class, "bbox": []float64{x, y, w, h}, "keypoints": points}
}

type ultralyticsSplit struct {
	Found, Missing, Empty, Corrupt, Total, Instances, Segments int
	Messages                                                   []string
	Rows                                                       map[string][][]float64
	Shapes                                                     map[string][2]int
	Labels                                                     map[string]int
}

func TestUltralyticsCountsEqualOurs(t *testing.T) {
	need.Python(t)
	prepared := map[string]*converters.Prepared{}
	var items []item
	before := map[string]map[string]string{}
	add := func(name, task string, root string, kind contract.TaskType) {
		before[root] = listing(t, root)
		r := request(t, root, kind, contract.FormatYOLO)
		r.Split = strategy(t, `{"ratio": [0.6, 0.25, 0.15], "seed": 7, "stratify": true}`)
		p := prepare(t, r)
		prepared[name] = p
		items = append(items, item{name, task, p.Dir, p.Config})
	}
	add("detect", "detect", hostile(t, 1, plainBox), contract.TaskObjectDetection)
	add("segment", "segment", hostile(t, 2, shape), contract.TaskInstanceSegmentation)
	add("pose", "pose", hostile(t, 3, pose), contract.TaskPoseEstimation)
	add("classify", "classify", pets(t, []string{"Zebra", "apple", "n01440764", "test", "고양이"}), contract.TaskImageClassification)

	var got map[string]struct {
		Names  []string
		Splits map[string]ultralyticsSplit
	}
	readWith(t, "read_ultralytics.py", items, &got)
	for _, it := range items {
		p, read := prepared[it.Name], got[it.Name]
		if len(read.Splits) != len(p.Splits) {
			t.Fatalf("%s: %d splits, want %d", it.Name, len(read.Splits), len(p.Splits))
		}
		for i, c := range p.Classes.Classes {
			want := c.Name
			if it.Task == "classify" {
				want = c.Folder
			}
			if read.Names[i] != want {
				t.Errorf("%s: class %d is %q, want %q", it.Name, i, read.Names[i], want)
			}
		}
		for _, c := range p.Splits {
			s := read.Splits[string(c.Split)]
			if it.Task == "classify" {
				checkIndexes(t, "Ultralytics", string(c.Split), p, s.Labels)
				continue
			}
			s.Messages = slices.DeleteFunc(s.Messages, func(line string) bool {
				return strings.HasSuffix(line, "corrupt JPEG restored and saved") // the phone's trailers
			})
			if s.Total != c.Images || s.Found != c.Images || s.Empty != c.Backgrounds || s.Instances != c.Objects || s.Missing != 0 || s.Corrupt != 0 || len(s.Messages) != 0 {
				s.Rows, s.Shapes = nil, nil
				t.Errorf("%s %s: Ultralytics has %+v\nours %+v", it.Name, c.Split, s, c)
			}
			if it.Task == "segment" && s.Segments != c.Objects {
				t.Errorf("segment %s: %d segments, want %d", c.Split, s.Segments, c.Objects)
			}
			if c.Objects == 0 || c.Backgrounds == 0 {
				t.Errorf("%s %s proves little: %+v", it.Name, c.Split, c)
			}
		}
	}
	readBack(t, prepared["detect"], got["detect"].Splits)
	for root, files := range before {
		if !reflect.DeepEqual(listing(t, root), files) {
			t.Errorf("reading the prepared folder changed the source %s", root)
		}
	}
}

// readBack compares the boxes that Ultralytics reads with the annotations, in
// pixels of the displayed frame.
func readBack(t *testing.T, p *converters.Prepared, splits map[string]ultralyticsSplit) {
	t.Helper()
	for split, s := range splits {
		for file, rows := range s.Rows {
			text := labels(t, p)[split+"/"+strings.TrimSuffix(file, filepath.Ext(file))+".txt"]
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if text == "" {
				lines = nil
			}
			if len(lines) != len(rows) {
				t.Fatalf("%s: %d rows read, %d written", file, len(rows), len(lines))
			}
			for i, line := range lines {
				var want [5]float64
				if _, err := fmt.Sscan(line, &want[0], &want[1], &want[2], &want[3], &want[4]); err != nil {
					t.Fatal(err)
				}
				for k := range want {
					if math.Abs(want[k]-rows[i][k]) > 1e-6 {
						t.Errorf("%s row %d: read %v, written %v", file, i, rows[i], want)
					}
				}
			}
		}
	}
}

// pets is a classification dataset with the given class names, six images each.
func pets(t *testing.T, names []string) string {
	t.Helper()
	classes, images, files := []any{}, []any{}, m{}
	for i, name := range names {
		classes = append(classes, m{"id": 100 - i, "name": name})
		for k := range 6 {
			file := fmt.Sprintf("%d/test_%d.jpg", k%2, i*10+k)
			files["images/"+file] = jpegOf(32, 32)
			images = append(images, m{"id": i*10 + k, "file_name": file, "split": []string{"train", "train", "train", "val", "val", "test"}[k],
				"annotation": m{"class_id": 100 - i, "class_name": name}})
		}
	}
	files["annotations.json"] = m{"classes": classes, "images": images}
	return folder(t, files)
}

// checkIndexes compares a reader's index of every file with classes.json.
func checkIndexes(t *testing.T, reader, split string, p *converters.Prepared, got map[string]int) {
	t.Helper()
	want := map[string]int{}
	for _, c := range p.Classes.Classes {
		entries, err := os.ReadDir(filepath.Join(p.Dir, split, c.Folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			want[c.Folder+"/"+e.Name()] = c.Index
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %s: %v\nwant %v", reader, split, got, want)
	}
}

// nasty are class names that make readers disagree, leak splits or lose folders.
var nasty = []string{
	"Zebra", "apple", "class10", "class2", "\u00e9", "\uace0\uc591\uc774", "\u1100\u1169\u110b\u1163\u11bc\u110b\u1175", "train", "val", "test", "test_tube", "eval board", "unit-test", "dev1",
	"validation", "a/b", `a\b`, "..", ".hidden", "trailing ", "trailing.", "CON", "nul.txt", "no", "null", "~", "1e3", "007", "12:30:45",
	"2024-01-01", "a: b", "# x", "- x", "{", `"q"`, "tab\there", "new\nline", "[1]*?", "__dunder", "Ångström", "İstanbul", "Ⅷ", "x²",
	"apple ", strings.Repeat("가", 120), "cat", "Cat", "CAT", "n01440764", "emoji 😀", "data", "images", "labels",
}

func TestClassFoldersReadTheSameEverywhere(t *testing.T) {
	need.Python(t)
	prepared := map[string]*converters.Prepared{}
	var items []item
	for name, names := range map[string][]string{
		"in order already": {"ant", "bee", "cow"},
		"out of order":     {"cow", "Bee", "ant10", "ant2"},
		"nasty":            nasty,
	} {
		p := prepare(t, request(t, pets(t, reversed(names)), contract.TaskImageClassification, contract.FormatImageFolder))
		prepared[name] = p
		items = append(items, item{Name: name, Dir: p.Dir})
	}
	var got map[string]map[string]map[string]struct {
		Names  []string
		Labels map[string]int
	}
	readWith(t, "read_folders.py", items, &got)
	for name, p := range prepared {
		var folders []string
		for _, c := range p.Classes.Classes {
			folders = append(folders, c.Folder)
		}
		for reader, splits := range got[name] {
			if len(splits) != len(p.Splits) {
				t.Errorf("%s, %s: %d splits, want %d", name, reader, len(splits), len(p.Splits))
			}
			for split, s := range splits {
				if !reflect.DeepEqual(s.Names, folders) {
					t.Errorf("%s, %s, %s: %q\nwant %q", name, reader, split, s.Names, folders)
				}
				checkIndexes(t, name+", "+reader, split, p, s.Labels)
			}
		}
	}
	if want := "ant bee cow"; prepared["in order already"].Classes.Classes[0].Folder != "ant" {
		t.Errorf("names in order already do not stay: %+v, want %s", prepared["in order already"].Classes, want)
	}
}

func reversed(names []string) []string {
	out := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		out = append(out, names[i])
	}
	return out
}
