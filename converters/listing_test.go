package converters_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// listed is what a job that only looks at the images of a dataset is given.
func listed(t *testing.T, r converters.Request) string {
	t.Helper()
	found, problems, err := converters.Images(t.Context(), r)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	var list []string
	for _, image := range found {
		list = append(list, fmt.Sprintf("%s %s %s", image.Name, image.ID, filepath.Base(image.Path)))
	}
	return strings.Join(list, "\n")
}

func TestTheImagesOfADatasetAreThoseThatItNames(t *testing.T) {
	images := []any{m{"id": 7, "file_name": "a/0.jpg"}, m{"id": "x", "file_name": "b/0.jpg"}, m{"id": 9, "file_name": "gone.jpg"}}
	root := folder(t, m{
		"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": append(images, m{"id": 8, "file_name": "later.jpg"})},
		"frozen.json":      m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": images},
		"images/a/0.jpg":   jpegOf(32, 32), "images/b/0.jpg": other(32, 32), "images/later.jpg": jpegOf(32, 32), "masks/0.png": pngOf(32, 32),
	})
	r := request(t, root, contract.TaskObjectDetection, contract.FormatNone)
	want := "a/0.jpg 7 0.jpg\nb/0.jpg \"x\" 0.jpg\ngone.jpg 9 ."
	if got := listed(t, r); got != want+"\nlater.jpg 8 later.jpg" {
		t.Error(got)
	}
	r.Annotations = filepath.Join(root, "frozen.json")
	if got := listed(t, r); got != want {
		t.Error(got)
	}
}

// Files of splits count their images anew, and an id is still one: a list that cannot be written has ended a job.
func TestImagesOfSeveralCOCOFilesHaveIDsThatCanBeWritten(t *testing.T) {
	split := func(name string) m {
		return m{"images": []any{m{"id": 0, "file_name": name + ".jpg", "width": 32, "height": 32}}, "annotations": []any{m{"id": 1, "image_id": 0, "category_id": 1, "bbox": []any{1, 1, 9, 9}, "area": 81, "iscrowd": 0}}, "categories": []any{m{"id": 1, "name": "cat"}}}
	}
	root := folder(t, m{
		"annotations/instances_train.json": split("a"), "annotations/instances_val.json": split("b"), "train/a.jpg": jpegOf(32, 32), "val/b.jpg": other(32, 32),
	})
	found, _, err := converters.Images(t.Context(), request(t, root, contract.TaskObjectDetection, contract.FormatNone))
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	if body, err := json.Marshal(found); err != nil || string(found[0].ID) != "0" || string(found[1].ID) != `"val/0"` {
		t.Errorf("%s %v", body, err)
	}
}

// A layout without ids has none that its reader made up.
func TestImagesOfVOCHaveNoIDs(t *testing.T) {
	xml := "<annotation><filename>a.jpg</filename><size><width>32</width><height>32</height></size><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
	if got := listed(t, request(t, folder(t, m{"a.jpg": jpegOf(32, 32), "a.xml": xml}), contract.TaskObjectDetection, contract.FormatNone)); got != "a.jpg  a.jpg" {
		t.Error(got)
	}
}

// An inference job has no report of a conversion that could name them.
func TestWhatIsNotInTheListIsSaid(t *testing.T) {
	images := []any{m{"id": 7, "file_name": "0.jpg"}, m{"id": 7, "file_name": "1.jpg"}, m{"width": 32}, m{"id": 9}}
	root := folder(t, m{
		"annotations.json": m{"classes": []any{m{"id": 1, "name": "cat"}}, "images": images, "annotations": []any{m{"image_id": 7, "class_id": 5, "bbox": []any{0, 0, 9, 9}}}},
		"images/0.jpg":     jpegOf(32, 32), "images/1.jpg": other(32, 32),
	})
	found, problems, err := converters.Images(t.Context(), request(t, root, contract.TaskObjectDetection, contract.FormatNone))
	var codes []string
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	if err != nil || len(found) != 2 || found[1].Path != "" || !slices.Equal(codes, []string{"duplicate_image_id", "no_file_name"}) {
		t.Errorf("%+v %v %v", found, problems, err)
	}
}

func TestMasksAreNoImagesOfADataset(t *testing.T) {
	r := request(t, folder(t, join(numberedFiles("images/%d.png", 2, image64), numberedFiles("masks/%d.png", 2, image64))), contract.TaskSemanticSegmentation, contract.FormatNone)
	if got := listed(t, r); strings.Count(got, "\n") != 1 || strings.Contains(got, "masks") {
		t.Error(got)
	}
}

func TestPicturesWithoutALayoutAreNotGuessedAt(t *testing.T) {
	alone := pictures(2, "holiday/%d.jpg")
	if _, _, err := converters.Images(t.Context(), request(t, folder(t, alone), contract.TaskObjectDetection, contract.FormatNone)); !errors.Is(err, converters.ErrOnlyPictures) {
		t.Error(err)
	}
	_, _, err := converters.Images(t.Context(), request(t, folder(t, join(alone, m{"labels.dat": "?"})), contract.TaskObjectDetection, contract.FormatNone))
	if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid {
		t.Error(err)
	}
}

// To a job that looks, folders that may be classes say nothing of the pictures beside them.
func TestFoldersThatMayBeClassesLeaveNoPictureOut(t *testing.T) {
	root := folder(t, join(pictures(2, "2024/%d.jpg"), pictures(2, "2025/%d.jpg"), pictures(2, "%d.jpg"), m{"notes.txt": "seen"}))
	if found, _, err := converters.Images(t.Context(), request(t, root, contract.TaskImageClassification, contract.FormatNone)); !errors.Is(err, converters.ErrOnlyPictures) {
		t.Error(found, err)
	}
}

func TestTheImagesOfTablesAreUnpacked(t *testing.T) {
	r := request(t, filepath.Join("unpack", "testdata", "parquet"), contract.TaskImageClassification, contract.FormatNone)
	found, _, err := converters.Images(t.Context(), r)
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for _, image := range found {
		if !strings.HasPrefix(image.Path, r.Out) || image.ID != nil {
			t.Errorf("%+v", image)
		}
	}
}
