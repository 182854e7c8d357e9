package converters_test

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// A list of class names that is not read leaves every class without its name.
func TestNamesThatAreTooLargeAreNotPassedOver(t *testing.T) {
	const head = "train: images/t\nval: images/v\nnames:\n"
	labelled := func(more map[string]any) map[string]any {
		more["images/t/a.jpg"], more["images/v/b.jpg"] = jpegOf(20, 20), other(20, 20)
		more["labels/t/a.txt"], more["labels/v/b.txt"] = "0 .5 .5 .5 .5", "0 .5 .5 .5 .5"
		return more
	}
	long := strings.Repeat("x", 1<<10)
	for name, c := range map[string]struct {
		files map[string]any
		says  string
	}{
		"data.yaml":              {labelled(map[string]any{"data.yaml": head + strings.Repeat("- "+long+"\n", 2<<10)}), "data.yaml has"},
		"by another name":        {labelled(map[string]any{"mine.yaml": head + strings.Repeat("- "+long+"\n", 2<<10)}), "mine.yaml has"},
		"in a folder":            {map[string]any{"d/images/a.jpg": jpegOf(20, 20), "d/labels/a.txt": "0 .5 .5 .5 .5", "d/data.yaml": head + strings.Repeat("- "+long+"\n", 2<<10)}, "data.yaml has"},
		"of brackets":            {labelled(map[string]any{"data.yaml": strings.Repeat("[", 1_000_000)}), "data.yaml has more than"},
		"classes.txt":            {labelled(map[string]any{"classes.txt": strings.Repeat(long+"\n", 17<<10)}), "classes.txt has"},
		"classes.txt of LabelMe": {map[string]any{"a.jpg": jpegOf(20, 20), "a.json": `{"imagePath": "a.jpg", "shapes": [{"label": "cat", "points": [[1, 1], [5, 5], [1, 5]]}]}`, "classes.txt": strings.Repeat(long+"\n", 17<<10)}, "classes.txt has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := converters.Prepare(t.Context(), request(t, folder(t, c.files), contract.TaskObjectDetection, contract.FormatYOLO))
			if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetTooLarge || !strings.Contains(f.Message, c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
	unrelated := labelled(map[string]any{"data.yaml": head + "- cat\n", "log.yaml": strings.Repeat("- "+long+"\n", 2<<10)})
	if _, err := converters.Prepare(t.Context(), request(t, folder(t, unrelated), contract.TaskObjectDetection, contract.FormatYOLO)); err != nil {
		t.Errorf("a large YAML file about something else: %v", err)
	}
}

func TestAPathIsNoClassName(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "../../etc/passwd", `C:\data\names`, "~/names", "cats/../../names"} {
		files := map[string]any{"data.yaml": "train: images/t\nval: images/v\nnames: " + name + "\n",
			"images/t/a.jpg": jpegOf(20, 20), "images/v/b.jpg": other(20, 20), "labels/t/a.txt": "0 .5 .5 .5 .5", "labels/v/b.txt": "0 .5 .5 .5 .5"}
		_, err := converters.Prepare(t.Context(), request(t, folder(t, files), contract.TaskObjectDetection, contract.FormatYOLO))
		if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message, "a file that is not in the dataset") {
			t.Errorf("%s: %v", name, err)
		}
		files["data.yaml"] = "train: images/t\nval: images/v\nnames: cup/mug\n"
		if _, err := converters.Prepare(t.Context(), request(t, folder(t, files), contract.TaskObjectDetection, contract.FormatYOLO)); err != nil {
			t.Errorf("cup/mug: %v", err)
		}
	}
}

func TestAnImageRootIsInTheDataset(t *testing.T) {
	for root, refused := range map[string]bool{"../../../../etc": true, "/../etc": true, `..\\etc`: true, "a/../../etc": true,
		"/data/set/images": false, "s3://bucket/images": false, ".": false, "images/..": false, "": false} {
		dir := dataset(t, 4, func(int) []any { return []any{m{"class_id": 1, "bbox": []any{1, 1, 5, 5}}} }, m{"storage_info": m{"image_root": root}})
		_, err := converters.Prepare(t.Context(), request(t, dir, contract.TaskObjectDetection, contract.FormatYOLO))
		f := contract.AsFailure(err)
		if (f != nil) != refused || f != nil && (!strings.Contains(f.Line(), "image_root")) {
			t.Errorf("%q: %v", root, err)
		}
	}
}
