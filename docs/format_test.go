package docs_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of Platform Format are datasets that a job takes without a problem:
// the first is whole, the others are one image each of another task.
func TestPlatformFormatExamples(t *testing.T) {
	var examples []string
	for _, b := range blocks(t, "datasets.md", "## Platform Format") {
		if b.language == "json" {
			examples = append(examples, b.text)
		}
	}
	if len(examples) != 4 {
		t.Fatalf("%d examples", len(examples))
	}
	accept(t, "object_detection", []byte(examples[0]))
	for i, task := range []string{"image_classification", "instance_segmentation", "pose_estimation"} {
		accept(t, task, wholeDataset(t, examples[i+1]))
	}
}

// wholeDataset has the example's image four times, under other names.
func wholeDataset(t *testing.T, example string) []byte {
	t.Helper()
	var images []map[string]any
	for i, name := range []string{"a", "b", "c", "d"} {
		var entry map[string]any
		if err := json.Unmarshal([]byte(example), &entry); err != nil {
			t.Fatal(err)
		}
		entry["id"], entry["file_name"], entry["split"] = i, name+".jpg", []string{"train", "val"}[i%2]
		if i > 1 { // of a second class
			object, ok := entry["annotation"].(map[string]any)
			if !ok {
				object = entry["annotations"].([]any)[0].(map[string]any)
			}
			object["class_id"], object["class_name"] = 2, "dog"
		}
		images = append(images, entry)
	}
	points := []string{"ear", "paw", "tail"}
	classes := []map[string]any{{"id": 1, "name": "cat", "keypoints": points}, {"id": 2, "name": "dog", "keypoints": points}}
	body, err := json.Marshal(map[string]any{"classes": classes, "images": images})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func accept(t *testing.T, task string, annotations []byte) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "annotations.json"), annotations, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "b", "c", "d"} {
		picture(t, filepath.Join(dir, "images", name+".jpg"), uint8(i))
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "trainer-agent"), "convert", "--from", dir, "--task", task, "--dry-run", "--json")
	cmd.Env = environment(t)
	out, err := cmd.Output()
	var report struct {
		Problems []json.RawMessage `json:"problems"`
	}
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	if err != nil || len(report.Problems) > 0 || !strings.Contains(string(out), `"cat"`) {
		t.Errorf("%s: %v\n%s", task, err, out)
	}
}

// picture writes an image of 640 × 480 pixels, of a shade of its own.
func picture(t *testing.T, path string, shade uint8) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	frame := image.NewGray(image.Rect(0, 0, 640, 480))
	for i := range frame.Pix {
		frame.Pix[i] = shade * 60
	}
	if err := jpeg.Encode(f, frame, nil); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
