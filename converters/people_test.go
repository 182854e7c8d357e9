package converters_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// Datasets as people publish and export them, from the tools that they use. Each
// was converted wrongly, most of them without a word.
type published struct {
	name    string
	task    contract.TaskType
	files   m
	classes string // of the result, with spaces
	splits  string // images of every split: "train 8, val 2"
	says    string // in a problem of the result, "code: example"
	refused string // in the failure
}

const (
	detecting  = contract.TaskObjectDetection
	segmenting = contract.TaskInstanceSegmentation
)

// classFolders are n images of each class in each of the folders.
func classFolders(folders map[string]int, classes ...string) m {
	files := m{}
	for folder, n := range folders {
		for _, class := range classes {
			for i := range n {
				files[fmt.Sprintf("%s/%s/%s_%d.jpg", folder, class, class, i)] = jpegOf(32, 32)
			}
		}
	}
	return files
}

// with adds files to others.
func with(files m, more m) m {
	for name, content := range more {
		files[name] = content
	}
	return files
}

// yoloSet is a dataset of Ultralytics with five images to train and two to validate.
func yoloSet(prefix, row, config string) m {
	files := m{}
	for split, n := range map[string]int{"train": 5, "val": 2} {
		for i := range n {
			name := fmt.Sprintf("%s/%s%d", split, split, i)
			files[prefix+"images/"+name+".jpg"], files[prefix+"labels/"+name+".txt"] = jpegOf(64, 48), row
		}
	}
	if config != "" {
		files[prefix+"data.yaml"] = config
	}
	return files
}

const plainConfig = "train: images/train\nval: images/val\nnc: 1\nnames: ['a']\n"

// cocoOf is the JSON of images with one box each.
func cocoOf(categories []any, names ...string) m {
	images, annotations := []any{}, []any{}
	last := categories[len(categories)-1].(m)["id"]
	for i, name := range names {
		images = append(images, m{"id": i, "file_name": name, "width": 64, "height": 48})
		annotations = append(annotations, m{"id": i + 1, "image_id": i, "category_id": last, "bbox": []int{16, 12, 32, 24}, "iscrowd": 0})
	}
	return m{"images": images, "annotations": annotations, "categories": categories}
}

var cats = []any{m{"id": 1, "name": "cat"}}

// cocoPair is a dataset of two splits: where the file of one is, how its images are
// named in it, and where they are.
func cocoPair(categories []any, file, listed, onDisk string) m {
	files := m{}
	for split, n := range map[string]int{"train": 4, "val": 2} {
		var names []string
		for i := range n {
			at := func(pattern string) string {
				return strings.NewReplacer("{split}", split, "{i}", fmt.Sprint(i)).Replace(pattern)
			}
			names = append(names, at(listed))
			files[at(onDisk)] = jpegOf(64, 48)
		}
		files[strings.ReplaceAll(file, "{split}", split)] = cocoOf(categories, names...)
	}
	return files
}

// reordered is COCO with its keys in another order and more between them than a
// reader of the first and last kilobytes sees.
func reordered(n int) m {
	files := m{}
	var images, annotations []string
	for i := range n {
		name := fmt.Sprintf("images/%08x-IMG_%04d.jpg", i, i)
		files[name] = jpegOf(16, 16)
		images = append(images, fmt.Sprintf(`{"width": 16, "height": 16, "id": %d, "file_name": %q, "note": %q}`, i, name, strings.Repeat("x", 200)))
		annotations = append(annotations, fmt.Sprintf(`{"id": %d, "image_id": %d, "category_id": 0, "bbox": [4, 4, 8, 8], "area": 64, "note": %q}`, i, i, strings.Repeat("x", 200)))
	}
	files["result.json"] = fmt.Sprintf(`{"images": [%s], "categories": [{"id": 0, "name": "cat"}], "annotations": [%s], "info": {"pad": %q}}`,
		strings.Join(images, ","), strings.Join(annotations, ","), strings.Repeat("y", 70<<10))
	return files
}

func numberedFiles(pattern string, n int, content func() any) m {
	files := m{}
	for i := range n {
		files[fmt.Sprintf(pattern, i)] = content()
	}
	return files
}

func image64() any { return jpegOf(64, 48) }

func check(t *testing.T, c published) {
	t.Helper()
	format := contract.ResolveFormat(contract.FrameworkUltralytics, c.task)
	p, err := converters.Prepare(t.Context(), request(t, folder(t, c.files), c.task, format))
	if c.refused != "" {
		if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetInvalid || !strings.Contains(f.Message, c.refused) || f.Hint == "" {
			t.Errorf("%v, want a refusal with %q", err, c.refused)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var classes, splits []string
	for _, class := range p.Classes.Classes {
		classes = append(classes, class.Name)
	}
	for _, s := range p.Splits {
		splits = append(splits, fmt.Sprintf("%s %d", s.Split, s.Images))
	}
	if got := strings.Join(classes, " "); c.classes != "" && got != c.classes {
		t.Errorf("classes %q, want %q", got, c.classes)
	}
	if got := strings.Join(splits, ", "); c.splits != "" && got != c.splits {
		t.Errorf("%s, want %s; %v", got, c.splits, p.Problems)
	}
	code, example, _ := strings.Cut(c.says, ": ")
	if found := find(p, code); c.says != "" && (found.Count == 0 || !strings.Contains(strings.Join(found.Examples, " "), example)) {
		t.Errorf("%v, want %s", p.Problems, c.says)
	}
}

func TestClassFoldersAsPeopleHaveThem(t *testing.T) {
	pair := func(a, b string) m { return classFolders(map[string]int{a: 6, b: 3}, "cat", "dog") }
	for _, c := range []published{
		{name: "Training and Testing", files: pair("Training", "Testing"), splits: "train 9, val 3, test 6", classes: "cat dog"},
		{name: "Train and Val", files: pair("Train", "Val"), splits: "train 12, val 6"},
		{name: "TRAIN and VALIDATION", files: pair("TRAIN", "VALIDATION"), splits: "train 12, val 6"},
		{name: "training_set and test_set", files: pair("training_set", "test_set"), splits: "train 9, val 3, test 6"},
		{name: "train2017 and val2017", files: pair("train2017", "val2017"), splits: "train 12, val 6"},
		{name: "train_images and dev_images", files: pair("train_images", "dev_images"), splits: "train 12, val 6"},
		{name: "TrainSet and EvalSet", files: pair("TrainSet", "EvalSet"), splits: "train 12, val 6"},
		{name: "a folder that repeats its parent, and a third without classes", classes: "cat dog", splits: "train 9, val 3, test 6",
			files: with(pair("seg_train/seg_train", "seg_test/seg_test"), numberedFiles("seg_pred/seg_pred/%d.jpg", 3, image64)), says: "unlisted_file: seg_pred/seg_pred/0.jpg"},
		{name: "splits one folder down", files: with(pair("dataset/train", "dataset/val"), m{"README.md": "hello"}), splits: "train 12, val 6", classes: "cat dog"},
		{name: "splits below images", files: pair("images/train", "images/val"), splits: "train 12, val 6", classes: "cat dog"},
		{name: "images below splits", files: pair("train/images", "val/images"), splits: "train 12, val 6", classes: "cat dog"},
		{name: "splits below classes", files: with(classFolders(map[string]int{"cat": 4, "dog": 4}, "train"), classFolders(map[string]int{"cat": 2, "dog": 2}, "val")), splits: "train 8, val 4", classes: "cat dog"},
		{name: "images and their thumbnails", files: pair("images", "thumbnails"), classes: "cat dog", splits: "train 9, val 3"},
		{name: "classes and a folder of masks", files: with(classFolders(map[string]int{".": 6}, "cat", "dog"), numberedFiles("masks/%d.png", 3, image64)), classes: "cat dog"},
		{name: "trains are a class where no split is beside them", files: classFolders(map[string]int{".": 6}, "bus", "car", "train"), classes: "bus car train"},
		{name: "masks are a class where it is called mask", files: classFolders(map[string]int{".": 6}, "mask", "no_mask"), classes: "mask no_mask"},
		{name: "images below each class", files: with(classFolders(map[string]int{"train/cat": 4, "train/dog": 4}, "images"), classFolders(map[string]int{"val/cat": 2, "val/dog": 2}, "images")), classes: "cat dog", splits: "train 8, val 4"},
		{name: "one class in two Unicode forms", classes: "개 고양이", splits: "train 6, val 6", says: "unicode_form: the folder val/",
			files: with(classFolders(map[string]int{"train": 3}, "고양이", "개"), classFolders(map[string]int{"val": 3}, norm.NFD.String("고양이"), norm.NFD.String("개")))},
		{name: "splits without classes and a table", refused: "train.csv says the class of images, and more than one file fits a name in it",
			files: with(with(numberedFiles("train_images/%d.jpg", 8, image64), numberedFiles("test_images/%d.jpg", 3, image64)), m{"train.csv": "image_id,label\n0.jpg,1\n"})},
		{name: "a val without classes", refused: "1 folders of images have no folders of classes: val/. Beside them is val/val_annotations.txt",
			files: with(with(classFolders(map[string]int{"train/n01": 4, "train/n02": 4}, "images"), numberedFiles("val/images/val_%d.jpg", 4, image64)), m{"val/val_annotations.txt": "val_0.jpg\tn01\n"})},
		{name: "a test without classes is left out", files: with(pair("train", "val"), numberedFiles("test/%d.jpg", 4, image64)), splits: "train 12, val 6", says: "split_without_classes: test/"},
		{name: "YOLO", refused: "laid out for objects (YOLO", files: with(with(numberedFiles("train/images/%d.jpg", 6, image64), numberedFiles("train/labels/%d.txt", 6, func() any { return goodRow })),
			m{"data.yaml": "train: ../train/images\nval: ../valid/images\nnames: [a]\n"})},
		{name: "YOLO in folders below images", refused: "laid out for objects (YOLO", files: yoloSet("", goodRow, "")},
		{name: "Darknet's labels beside the images", refused: "laid out for objects (YOLO", files: with(numberedFiles("data/%d.jpg", 6, image64), numberedFiles("data/%d.txt", 6, func() any { return goodRow }))},
		{name: "captions beside the images are no boxes", files: with(classFolders(map[string]int{".": 4}, "cat", "dog"), numberedFiles("cat/cat_%d.txt", 4, func() any { return "a cat" })), classes: "cat dog"},
		{name: "Pascal VOC", refused: "Pascal VOC files", files: with(numberedFiles("JPEGImages/%d.jpg", 4, image64), numberedFiles("Annotations/%d.xml", 4, func() any { return "<annotation><object></object></annotation>" }))},
		{name: "all in one folder, and a table", refused: "All images are in one folder, photos/, and labels.csv", files: with(numberedFiles("photos/%d.jpg", 4, image64), m{"labels.csv": "file,label\n"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = classifying
			check(t, c)
		})
	}
}

func TestYOLOAsPeopleHaveIt(t *testing.T) {
	backslashes := with(yoloSet("", goodRow, "path: D:\\data\ntrain: D:\\data\\train.txt\nval: D:\\data\\val.txt\nnc: 1\nnames: ['a']\n"), m{"train.txt": "", "val.txt": ""})
	lists := yoloSet("", goodRow, "")
	for split, n := range map[string]int{"train": 5, "val": 2} {
		for i := range n {
			backslashes[split+".txt"] = backslashes[split+".txt"].(string) + fmt.Sprintf("D:\\data\\images\\%s\\%s%d.jpg\r\n", split, split, i)
			if i > 0 {
				lists[split+".txt"] = fmt.Sprint(lists[split+".txt"], fmt.Sprintf("data/images/%s/%s%d.jpg\n", split, split, i))
			}
		}
	}
	lists["train.txt"], lists["val.txt"] = strings.TrimPrefix(lists["train.txt"].(string), "<nil>"), strings.TrimPrefix(lists["val.txt"].(string), "<nil>")
	cvat := m{"data.yaml": "Test: Test.txt\nTrain: Train.txt\nValidation: Validation.txt\nnames:\n  0: helmet\n  1: vest\npath: .\n"}
	for split, n := range map[string]int{"Train": 4, "Validation": 2, "Test": 2} {
		list := ""
		for i := range n {
			name := fmt.Sprintf("%s/%s%d", split, split, i)
			cvat["images/"+name+".jpg"], cvat["labels/"+name+".txt"] = jpegOf(64, 48), fmt.Sprint(i%2, goodRow[1:])
			list += "data/images/" + name + ".jpg\n"
		}
		cvat[split+".txt"] = list
	}
	pose := "0 0.5 0.5 0.2 0.4 0.42 0.32 0.58 0.32 0.58 0.68 0.42 0.68\n"
	posed := "train: images/train\nval: images/val\nkpt_shape: [4, 2]\nnames: ['plate']\n"
	flagged := "0 0.5 0.5 0.2 0.4 0.1 0.1 2 0.9 0.9 1\n"
	orphans := yoloSet("", goodRow, plainConfig)
	for i := 5; i < 12; i++ {
		orphans[fmt.Sprintf("labels/train/train%d.txt", i)] = goodRow
	}
	half := m{"data.yaml": "train: [some, other]\nval:\nnames: [a]\n"}
	for i := range 4 {
		for _, name := range []string{fmt.Sprintf("some/a%d", i), fmt.Sprintf("other/images/b%d", i)} {
			half[name+".jpg"], half[name+".txt"] = jpegOf(64, 48), goodRow
		}
	}
	roboflow := m{}
	for split, n := range map[string]int{"train": 4, "valid": 2, "test": 1} {
		for i := range n {
			roboflow[fmt.Sprintf("%s/images/%d.jpg", split, i)], roboflow[fmt.Sprintf("%s/labels/%d.txt", split, i)] = jpegOf(64, 48), goodRow
		}
	}
	for _, c := range []published{
		{name: "CVAT's subset names", files: cvat, classes: "helmet vest", splits: "train 4, val 2, test 2"},
		{name: "keys in capitals", files: yoloSet("", goodRow, "TRAIN: images/train\nVAL: images/val\nNAMES: [a]\n"), classes: "a", splits: "train 5, val 2"},
		{name: "lists without a configuration", files: with(lists, m{"classes.txt": "ship\n"}), classes: "ship", splits: "train 4, val 1"},
		{name: "Roboflow without its configuration", files: roboflow, splits: "train 4, val 2, test 1"},
		{name: "names without splits", files: yoloSet("", goodRow, "nc: 1\nnames: [ship]\n"), classes: "ship", splits: "train 5, val 2"},
		{name: "two configurations", files: with(yoloSet("", goodRow, plainConfig), m{"old.yaml": "names: [x, y]\ntrain: images/train\n"}), says: "yaml_not_used: old.yaml", classes: "a"},
		{name: "a backslash in val", files: yoloSet("", goodRow, "train: images/train\nval: images\\val\nnames: [a]\n"), splits: "train 5, val 2"},
		{name: "drives and backslashes in lists", files: backslashes, splits: "train 5, val 2", classes: "a"},
		{name: "a val that is not there", files: yoloSet("", goodRow, "train: images/train\nval: images/nowhere\nnames: [a]\n"), refused: "entries of data.yaml lead to no image, while others do: 1 (val: images/nowhere)"},
		{name: "numbers for names", files: yoloSet("", goodRow, "train: images/train\nval: images/val\nnames: [1.0, 1.10, no, 007]\n"), classes: "1.0 1.10 no 007"},
		{name: "names of Windows", files: with(yoloSet("", goodRow, ""), m{"classes.txt": "\ufeffcat\r\ndog \r\n"}), classes: "cat dog"},
		{name: "names in UTF-16", files: with(yoloSet("", goodRow, ""), m{"classes.txt": "\xff\xfec\x00a\x00t\x00\r\x00\n\x00d\x00o\x00g\x00"}), classes: "cat dog"},
		{name: "nc below the names", files: yoloSet("", "0 .5 .5 .2 .2\n3 .5 .5 .1 .1\n", "train: images/train\nval: images/val\nnc: 3\nnames: [a, b, c, d]\n"), refused: "nc is 3 and names has 4"},
		{name: "keypoints in a detection", files: yoloSet("", pose, posed), splits: "train 5, val 2", classes: "plate"},
		{name: "keypoints in a segmentation", task: segmenting, files: yoloSet("", pose, posed), refused: "data.yaml has kpt_shape"},
		{name: "keypoints that nobody declared", files: yoloSet("", pose, plainConfig), refused: "look like a box with keypoints, and data.yaml has no kpt_shape"},
		{name: "keypoints with visibility that nobody declared", task: segmenting, files: yoloSet("", flagged, plainConfig), refused: "look like a box with keypoints"},
		{name: "a pose without kpt_shape", task: contract.TaskPoseEstimation, files: yoloSet("", pose, plainConfig), refused: "data.yaml has no kpt_shape"},
		{name: "labels without an image", files: orphans, says: "label_without_image: labels/train/train5.txt", splits: "train 5, val 2"},
		{name: "labels beside their image where another place is right", files: half, says: "label_beside_image: other/images/b0.txt", splits: "train 6, val 2"},
		{name: "what file managers leave", files: with(yoloSet("", goodRow, plainConfig), m{"images/train/._train0.jpg": "junk", "labels/train/._train0.txt": "junk", "__MACOSX/images/x.jpg": "junk",
			"images/val/Thumbs.db": "junk", "images/val/.ipynb_checkpoints/val0-checkpoint.jpg": jpegOf(64, 48), "images/val/val0.jpg:Zone.Identifier": "junk"}), splits: "train 5, val 2", says: "file_manager_junk: "},
		{name: "one folder down", files: with(yoloSet("dataset/", goodRow, strings.ReplaceAll(plainConfig, "'a'", "ship")), m{"README.txt": "hello"}), classes: "ship", says: "one_folder_down: dataset/"},
		{name: "two folders down", files: with(yoloSet("a/b/", goodRow, plainConfig), m{"README.txt": "hello", "a/notes.txt": "x"}), classes: "a", says: "one_folder_down: a/b/"},
		{name: "two datasets in one", files: with(yoloSet("one/", goodRow, plainConfig), yoloSet("two/", goodRow, plainConfig)), refused: "2 datasets are in one: one/ (yolo), two/ (yolo)"},
		{name: "an archive inside", files: m{"dataset.zip": "PK", "README.md": "x"}, refused: "an archive inside: dataset.zip"},
		{name: "a configuration that leads nowhere", files: m{"data.yaml": plainConfig, "x.jpg": jpegOf(64, 48)}, refused: "No image of the dataset is where data.yaml says: train: images/train, val: images/val"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.task == "" {
				c.task = detecting
			}
			check(t, c)
		})
	}
	p := prepare(t, request(t, folder(t, yoloSet("", pose, posed)), detecting, contract.FormatYOLO))
	for name, row := range labels(t, p) {
		if row != "0 0.500000 0.500000 0.200000 0.400000\n" {
			t.Errorf("%s is %q: not the columns of the box", name, row)
		}
	}
}

func TestCOCOAsPeopleHaveIt(t *testing.T) {
	root := []any{m{"id": 0, "name": "helmet", "supercategory": "none"}, m{"id": 1, "name": "helmet", "supercategory": "helmet"}}
	nfd := norm.NFD.String("고양이")
	half := cocoOf(cats, "images/0.jpg", "images/1.jpg", "2.jpg", "3.jpg")
	unsplit := cocoPair(cats, "annotations/instances_{split}.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg")
	unsplit["annotations/instances_default.json"] = cocoOf(cats, "train0.jpg", "val0.jpg")
	lost := cocoPair(cats, "annotations/instances_{split}.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg")
	lost["annotations/val.json"] = lost["annotations/instances_val.json"]
	delete(lost, "annotations/instances_val.json")
	broken, _ := json.Marshal(cocoOf(cats, "a.jpg"))
	copies := cocoPair(cats, "{split}/_annotations.coco.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg")
	for _, c := range []published{
		{name: "keys in another order, and long", files: reordered(300), splits: "train 240, val 60", classes: "cat"},
		{name: "files of splits at the top", files: cocoPair(cats, "annotations_{split}.json", "{split}{i}.jpg", "images/{split}/{split}{i}.jpg"), splits: "train 4, val 2"},
		{name: "files deep down", files: cocoPair(cats, "a/b/{split}/labels/ann.json", "{split}{i}.jpg", "a/b/{split}/data/{split}{i}.jpg"), splits: "train 4, val 2"},
		{name: "Roboflow's root of the same name", files: cocoPair(root, "{split}/_annotations.coco.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg"), classes: "helmet", splits: "train 4, val 2", says: `root_category: "helmet", id 0`},
		{name: "Roboflow's root of another name", files: cocoPair([]any{m{"id": 0, "name": "peixos", "supercategory": "none"}, m{"id": 1, "name": "peix", "supercategory": "peixos"}},
			"{split}/_annotations.coco.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg"), classes: "peix"},
		{name: "a supercategory that has annotations is a class", files: cocoPair([]any{m{"id": 1, "name": "cat", "supercategory": "animal"}, m{"id": 0, "name": "animal", "supercategory": "none"}},
			"{split}/_annotations.coco.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg"), classes: "animal cat"},
		{name: "backslashes below a split", files: cocoPair(cats, "{split}/annotations.json", `JPEGImages\{split}{i}.jpg`, "{split}/JPEGImages/{split}{i}.jpg"), splits: "train 4, val 2"},
		{name: "a path of Windows", files: cocoPair(cats, "annotations/{split}.json", `D:\data\{split}\{split}{i}.jpg`, "{split}/{split}{i}.jpg"), splits: "train 4, val 2", says: "other_spelling: "},
		{name: "a path of another machine", files: cocoPair(cats, "annotations/{split}.json", `/home/x/data/{split}{i}.jpg`, "images/{split}/{split}{i}.jpg"), splits: "train 4, val 2"},
		{name: "decomposed names below a split", files: cocoPair(cats, "annotations/instances_{split}.json", "고양이{split}{i}.jpg", "{split}/"+nfd+"{split}{i}.jpg"), splits: "train 4, val 2", says: "unicode_form: "},
		{name: "another case below a split", files: cocoPair(cats, "annotations/instances_{split}.json", "{split}{i}.JPG", "{split}/{split}{i}.jpg"), splits: "train 4, val 2", says: "other_spelling: "},
		{name: "images/ in front of names that lie beside the file", files: cocoPair(cats, "{split}/ann.json", "images/{split}{i}.jpg", "{split}/{split}{i}.jpg"), splits: "train 4, val 2"},
		{name: "half of the names with images/ in front", files: with(numberedFiles("images/%d.jpg", 4, image64), m{"annotations.json": half}), splits: "train 3, val 1"},
		{name: "a file of no split beside files of splits", files: unsplit, splits: "train 4, val 2", says: "annotation_file_kept_out: annotations/instances_default.json"},
		{name: "a split's file of another name", files: lost, refused: "look like annotations and cannot be read together with the others: 1 (annotations/val.json)"},
		{name: "a file that breaks off", files: m{"result.json": string(broken[:len(broken)-40]), "a.jpg": jpegOf(64, 48)}, refused: "result.json is not valid JSON"},
		{name: "copies of val among train", files: copies, says: "same_content_in_splits: "},
		{name: "more images than the annotations know", files: with(with(numberedFiles("images/%d.jpg", 3, image64), numberedFiles("images/more/%d.jpg", 9, image64)), m{"annotations.json": cocoOf(cats, "0.jpg", "1.jpg", "2.jpg")}),
			says: "mostly_unlisted: images/more/0.jpg", splits: "train 2, val 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = detecting
			check(t, c)
		})
	}
}

// TestPlatformDataAsTheLabelerExportsIt: hundreds of images a class are not there yet
// when people try their first training.
func TestPlatformDataAsTheLabelerExportsIt(t *testing.T) {
	labelled := func(classes, each int, splitOf func(i int) any) m {
		files, images, list := m{}, []any{}, []any{}
		for c := range classes {
			list = append(list, m{"id": c, "name": fmt.Sprintf("c%d", c)})
			for i := range each {
				n := c*each + i
				name := fmt.Sprintf("%d.jpg", n)
				files["images/"+name] = jpegOf(32, 32)
				im := m{"id": n, "file_name": name, "annotation": m{"class_id": c, "class_name": fmt.Sprintf("c%d", c)}}
				if splitOf != nil {
					im["split"] = splitOf(n)
				}
				images = append(images, im)
			}
		}
		files["annotations.json"] = m{"classes": list, "images": images}
		return files
	}
	boxes := func(background string) m {
		files := numberedFiles("images/%d.jpg", 6, image64)
		files["annotations.json"] = m{"categories": []any{m{"id": 0, "name": background}, m{"id": 1, "name": "cat"}},
			"images":      []any{m{"id": 0, "file_name": "0.jpg"}, m{"id": 1, "file_name": "1.jpg"}, m{"id": 2, "file_name": "2.jpg"}, m{"id": 3, "file_name": "3.jpg"}, m{"id": 4, "file_name": "4.jpg"}, m{"id": 5, "file_name": "5.jpg"}},
			"annotations": []any{m{"id": 1, "image_id": 0, "category_id": 0}, m{"id": 2, "image_id": 1, "category_id": 1, "bbox": []int{16, 12, 32, 24}}, m{"id": 3, "image_id": 2, "category_id": 1, "bbox": []int{16, 12, 32, 24}}}}
		return files
	}
	for _, c := range []published{
		{name: "ten classes of ten images", task: classifying, files: labelled(10, 10, nil), classes: "c0 c1 c2 c3 c4 c5 c6 c7 c8 c9"},
		{name: "five classes of two images", task: classifying, files: labelled(5, 2, nil), splits: "train 5, val 5", says: "split_moved_for_class: "},
		{name: "a stored split that lacks a class in val", task: classifying, splits: "train 15, val 5",
			files: labelled(4, 5, func(i int) any { return map[bool]string{true: "val", false: "train"}[i >= 5 && i%5 == 0 || i == 6] }), says: `split_moved_for_class: to val for "c0"`},
		{name: "a class that test lacks", task: classifying, splits: "train 5, val 4, test 1", says: `class_missing_in_test: "c1"`,
			files: labelled(2, 5, func(i int) any {
				return []string{"train", "val", "train", "val", "test", "train", "val", "train", "val", "train"}[i]
			})},
		{name: "all images are for training", task: classifying, files: labelled(2, 10, func(int) any { return "train" }), splits: "train 15, val 5", says: "split_says_nothing: the images' own splits: all 20 are in train"},
		{name: "a class of one image", task: classifying, files: labelled(3, 1, nil), refused: "classes have no image in train or in val"},
		{name: "__background__", task: detecting, files: boxes("__background__"), classes: "cat", splits: "train 3, val 3"},
		{name: "_background_", task: detecting, files: boxes("_background_"), classes: "cat", splits: "train 3, val 3"},
		{name: "annotations for other tasks", task: detecting, refused: "2 annotation files are there, and none of them is for object_detection: annotations_classification.json, annotations_pose.json",
			files: m{"annotations_classification.json": m{}, "annotations_pose.json": m{}, "images/a.jpg": jpegOf(64, 48)}},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, c) })
	}
	r := request(t, folder(t, labelled(2, 10, nil)), classifying, contract.FormatImageFolder)
	r.Split = strategy(t, `{"method": "auto", "train_ratio": 0.6, "val_ratio": 0.2, "shuffle": true}`)
	if p := prepare(t, r); find(p, "split_unknown_key").Examples[0] != `"shuffle"` || p.Splits[0].Images != 12 || p.Splits[2].Images != 4 {
		t.Errorf("%+v %v", p.Splits, p.Problems)
	}
}
