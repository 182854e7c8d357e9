package kit

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/contract"
)

// The sample dataset: enough for every class in both splits, small enough for a
// network over a modem.
const (
	sampleImages = 48  // of a new package
	proofImages  = 100 // of a validation
	sampleSide   = 64  // pixels
)

// sampleClasses have a colour of their own, so that the smallest model learns them.
var sampleClasses = []struct {
	name   string
	colour color.RGBA
}{
	{"disc", color.RGBA{R: 215, G: 60, B: 50, A: 255}},
	{"square", color.RGBA{R: 50, G: 175, B: 80, A: 255}},
	{"diamond", color.RGBA{R: 60, G: 90, B: 215, A: 255}},
}

// WriteSample writes a small dataset in Platform Format that fits the task: one
// shape an image on grey noise, with a third of the images each class. The same
// call writes the same bytes.
func WriteSample(dir string, task contract.TaskType) error {
	return writeSample(dir, task, sampleImages)
}

func writeSample(dir string, task contract.TaskType, count int) error {
	if err := os.MkdirAll(filepath.Join(dir, "images"), 0o755); err != nil {
		return fmt.Errorf("making the sample dataset: %w", err)
	}
	random := rand.New(rand.NewPCG(7, 42))
	images := make([]map[string]any, 0, count)
	for i := range count {
		class := i % len(sampleClasses)
		s := shape{class: class, radius: 11 + random.IntN(12)}
		s.x, s.y = s.radius+random.IntN(sampleSide-2*s.radius), s.radius+random.IntN(sampleSide-2*s.radius)
		name := fmt.Sprintf("%s-%02d.png", sampleClasses[class].name, i/len(sampleClasses))
		if err := writePNG(filepath.Join(dir, "images", name), s.draw(random)); err != nil {
			return err
		}
		images = append(images, s.entry(i+1, name, task))
	}
	return writeAnnotations(filepath.Join(dir, "annotations.json"), images, task)
}

func writeAnnotations(path string, images []map[string]any, task contract.TaskType) error {
	classes := make([]map[string]any, 0, len(sampleClasses))
	for i, c := range sampleClasses {
		class := map[string]any{"id": i, "name": c.name}
		if task == contract.TaskPoseEstimation {
			class["keypoints"] = []string{"top", "right", "bottom", "left"}
		}
		classes = append(classes, class)
	}
	body, err := json.MarshalIndent(map[string]any{
		"format_version": "1.0", "dataset_id": "sample", "task_type": task, "classes": classes, "images": images,
	}, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the sample dataset: %w", err)
	}
	return nil
}

// shape is what is on one image: a disc, a square or a diamond around a centre.
type shape struct{ class, x, y, radius int }

func (s shape) holds(x, y int) bool {
	dx, dy := max(x-s.x, s.x-x), max(y-s.y, s.y-y)
	switch s.class {
	case 0:
		return dx*dx+dy*dy <= s.radius*s.radius
	case 1:
		return max(dx, dy) <= s.radius*3/4
	}
	return dx+dy <= s.radius
}

func (s shape) draw(random *rand.Rand) image.Image {
	picture := image.NewRGBA(image.Rect(0, 0, sampleSide, sampleSide))
	for y := range sampleSide {
		for x := range sampleSide {
			grey := uint8(100 + random.IntN(50))
			c := color.RGBA{R: grey, G: grey, B: grey, A: 255}
			if s.holds(x, y) {
				c = sampleClasses[s.class].colour
			}
			picture.SetRGBA(x, y, c)
		}
	}
	return picture
}

// entry is the image in annotations.json, with the annotation of the task.
func (s shape) entry(id int, name string, task contract.TaskType) map[string]any {
	entry := map[string]any{"id": id, "file_name": name, "width": sampleSide, "height": sampleSide}
	if task == contract.TaskImageClassification || task == contract.TaskZeroShotClassification {
		entry["annotation"] = map[string]any{"class_id": s.class, "class_name": sampleClasses[s.class].name}
		return entry
	}
	r := s.radius
	if s.class == 1 {
		r = r * 3 / 4
	}
	top, right, bottom, left := s.y-r, s.x+r, s.y+r, s.x-r
	outline := []int{s.x, top, right, s.y, s.x, bottom, left, s.y}
	if s.class == 1 {
		outline = []int{left, top, right, top, right, bottom, left, bottom}
	}
	entry["annotations"] = []map[string]any{{
		"class_id": s.class, "bbox": []int{left, top, 2 * r, 2 * r}, "area": 4 * r * r, "segmentation": [][]int{outline},
		"keypoints": []int{s.x, top, 2, right, s.y, 2, s.x, bottom, 2, left, s.y, 2},
	}}
	return entry
}

func writePNG(path string, picture image.Image) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the sample dataset: %w", err)
	}
	encoder := png.Encoder{CompressionLevel: png.BestSpeed} // noise does not compress
	if err := encoder.Encode(out, picture); err != nil {
		_ = out.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return out.Close()
}
