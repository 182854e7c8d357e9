package converters_test

import (
	"maps"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

const lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

// TestWhatIsNotThereIsNoDataset: repositories that were packed before their files were
// fetched, and splits that lost all that they were given, once trained on the rest.
func TestWhatIsNotThereIsNoDataset(t *testing.T) {
	const row = "0 .5 .5 .2 .2\n"
	without := func(files m, names ...string) m {
		files = maps.Clone(files)
		for _, name := range names {
			delete(files, name)
		}
		return files
	}
	pointers := func(pattern string, n int) m {
		return numberedFiles(pattern, n, func() any { return lfsPointer })
	}
	posed := cocoOf([]any{m{"id": 1, "name": "p", "keypoints": []string{"l", "r"}}}, "a.jpg", "b.jpg", "c.jpg")
	for _, a := range posed["annotations"].([]any) {
		a.(m)["keypoints"] = []int{20, 20, 0, 30, 30, 0}
	}
	pictures := m{"a.jpg": jpegOf(64, 48), "b.jpg": jpegOf(64, 48), "c.jpg": jpegOf(64, 48)}
	panoptic := m{"images": []any{m{"id": 1, "file_name": "a.jpg"}}, "categories": cats,
		"annotations": []any{m{"image_id": 1, "file_name": "a.png", "segments_info": []any{m{"id": 1, "category_id": 1}}}}}
	for _, c := range []published{
		{name: "images are pointers", files: with(yoloSet("", row, plainConfig), pointers("images/train/train%d.jpg", 2)), refused: "2 files are pointers of Git LFS"},
		{name: "data.yaml is a pointer", files: yoloSet("", row, lfsPointer), refused: "data.yaml is a pointer of Git LFS"},
		{name: "annotations.json is a pointer", files: with(maps.Clone(pictures), m{"annotations.json": lfsPointer}), refused: "annotations.json is a pointer of Git LFS"},
		{name: "COCO JSON is a pointer", files: with(maps.Clone(pictures), m{"_annotations.coco.json": lfsPointer}), refused: "_annotations.coco.json is a pointer of Git LFS"},
		{name: "a table is a pointer", task: classifying, files: with(maps.Clone(pictures), m{"train.csv": lfsPointer}), refused: "train.csv is a pointer of Git LFS"},
		{name: "all of a split are broken", files: with(yoloSet("", row, plainConfig), numberedFiles("images/val/val%d.jpg", 2, func() any { return "<html>404</html>" })), refused: "splits lost every image"},
		{name: "all of a split are missing", refused: "splits lost every image", files: without(
			cocoPair(cats, "annotations/instances_{split}.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg"), "val/val0.jpg", "val/val1.jpg")},
		{name: "all of test were not downloaded", splits: "train 4, val 2", says: "test_without_image: test: all 2", files: with(
			cocoPair(cats, "annotations/instances_{split}.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg"), m{"annotations/instances_test.json": cocoOf(cats, "test0.jpg", "test1.jpg")})},
		{name: "no keypoint is labelled", task: contract.TaskPoseEstimation, files: with(maps.Clone(pictures), m{"annotations/person_keypoints_train.json": posed}), refused: "none of the dataset is labelled"},
		{name: "panoptic", task: segmenting, files: with(maps.Clone(pictures), m{"annotations/panoptic_train.json": panoptic}), refused: "COCO panoptic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.task == "" {
				c.task = detecting
			}
			check(t, c)
		})
	}
}

func TestAPictureOfTwoClassesIsSaid(t *testing.T) {
	files := classFolders(map[string]int{"train": 3, "val": 2}, "cat", "dog")
	for _, name := range []string{"train/cat/cat_0.jpg", "train/dog/dog_1.jpg"} {
		files[name] = jpegOf(40, 40)
	}
	check(t, published{task: classifying, files: files, says: `same_content_in_classes: "train/dog/dog_1.jpg" is "train/cat/cat_0.jpg"`})
}
