package jobtest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"

	"github.com/vision-platform/trainer-agent/contract"
)

// Dataset packs images of one square each, in Platform Format. The square's colour
// is its class.
func Dataset(task contract.TaskType, images int) []byte {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	entries := []map[string]any{}
	for i := range images {
		name, class := fmt.Sprintf("img%d.png", i), i%2
		w, _ := archive.Create("images/" + name)
		picture := image.NewRGBA(image.Rect(0, 0, 64, 64))
		square := color.RGBA{R: uint8(255 * class), G: 200, B: uint8(10 * i), A: 255}
		draw.Draw(picture, image.Rect(16, 16, 48, 48), image.NewUniform(square), image.Point{}, draw.Src)
		_ = png.Encode(w, picture)
		entry := map[string]any{"id": i, "file_name": name, "width": 64, "height": 64}
		if task == contract.TaskImageClassification {
			entry["annotation"] = map[string]any{"class_id": class}
		} else {
			entry["annotations"] = []any{map[string]any{"class_id": class, "bbox": []int{16, 16, 32, 32}}}
		}
		entries = append(entries, entry)
	}
	w, _ := archive.Create("annotations.json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"format_version": "1.0", "dataset_id": "tiny", "images": entries,
		"classes": []any{map[string]any{"id": 0, "name": "cat"}, map[string]any{"id": 1, "name": "dog"}},
	})
	_ = archive.Close()
	return out.Bytes()
}
