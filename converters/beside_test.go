package converters_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// What lies beside images and labels: lists of splits, copies, results, exports of
// tools that are not read. Each was passed over without a word, or misunderstood.

// petFolders are six images of each class in its folder, below a folder.
func petFolders(dir string) m { return classFolders(map[string]int{dir: 6}, "cat", "dog") }

// petList is a line for the images from one number on to another, of both classes.
func petList(line string, from, to int) string {
	var list strings.Builder
	for k, class := range []string{"cat", "dog"} {
		for i := from; i < to; i++ {
			list.WriteString(strings.NewReplacer("{class}", class, "{i}", fmt.Sprint(i), "{k}", fmt.Sprint(k), "{n}", fmt.Sprint(1+6*k+i)).Replace(line) + "\n")
		}
	}
	return list.String()
}

func TestListsBesideFoldersOfClassesSayTheSplit(t *testing.T) {
	threeLists := func(dir, line string) m {
		return m{dir + "train.txt": petList(line, 0, 4), dir + "val.txt": petList(line, 4, 5), dir + "test.txt": petList(line, 5, 6)}
	}
	const three = "train 8, val 2, test 2"
	split := map[bool]string{true: "1", false: "0"}
	cub := m{"images.txt": petList("{n} {class}/{class}_{i}.jpg", 0, 6), "classes.txt": "1 cat\n2 dog\n"}
	numbers := ""
	for n := range 12 {
		numbers += fmt.Sprintf("%d %s\n", n+1, split[n%6 < 4])
	}
	cub["train_test_split.txt"] = numbers
	for _, c := range []published{
		{name: "Food-101", files: with(petFolders("images"), m{"meta/train.txt": petList("{class}/{class}_{i}", 0, 4), "meta/test.txt": petList("{class}/{class}_{i}", 4, 6), "meta/labels.txt": "Cat\nDog\n"}), splits: "train 5, val 3, test 4", says: "split_of_lists: meta/train.txt"},
		{name: "Food-101 in JSON too", files: with(petFolders("images"), m{"meta/train.txt": petList("{class}/{class}_{i}", 0, 4), "meta/train.json": m{"cat": []string{"cat/cat_0", "cat/cat_1", "cat/cat_2", "cat/cat_3"}, "dog": []string{"dog/dog_0", "dog/dog_1", "dog/dog_2", "dog/dog_3"}}, "meta/test.txt": petList("{class}/{class}_{i}", 4, 6)}), splits: "train 5, val 3, test 4"},
		{name: "CUB", files: with(petFolders("images"), cub), splits: "train 5, val 3, test 4", says: "split_of_lists: train_test_split.txt"},
		{name: "names and numbers of classes", files: with(petFolders("data"), threeLists("one-indexed-files-", "{class}_{i}.jpg {k}")), splits: three},
		{name: "paths of Windows with blanks", files: with(petFolders("my images"), threeLists("", `C:\data\my images\{class}\{class}_{i}.jpg`)), splits: three},
		{name: "what is in no list is for training", files: with(petFolders("."), m{"validation_list.txt": petList("{class}/{class}_{i}.jpg", 4, 5), "testing_list.txt": petList("{class}/{class}_{i}.jpg", 5, 6)}), splits: three},
		{name: "trainlist01", files: with(petFolders("."), m{"trainlist01.txt": petList("{class}/{class}_{i}.jpg {k}", 0, 4), "testlist01.txt": petList("{class}/{class}_{i}.jpg", 4, 6)}), splits: "train 5, val 3, test 4"},
		{name: "trainval is shared out", files: with(petFolders("."), m{"trainval.txt": petList("{class}/{class}_{i}", 0, 5), "test.txt": petList("{class}/{class}_{i}", 5, 6)}), splits: "train 7, val 3, test 2"},
		{name: "trainval beside train and val", files: with(with(petFolders("."), m{"trainval.txt": petList("{class}/{class}_{i}.jpg", 0, 5)}), threeLists("", "{class}/{class}_{i}.jpg")), splits: three},
		{name: "a table of paths for each split", files: with(petFolders("."), m{"train.csv": "path\n" + petList("{class}/{class}_{i}.jpg", 0, 4), "val.csv": "path\n" + petList("{class}/{class}_{i}.jpg", 4, 6)}), splits: "train 8, val 4"},
		{name: "tables of classes for each split", files: with(petFolders("."), m{"train.csv": ",Filename,Label,ClassName\n" + petList("{n},{class}/{class}_{i}.jpg,{k},{class}", 0, 4), "validation.csv": ",Filename,Label,ClassName\n" + petList("{n},{class}/{class}_{i}.jpg,{k},{class}", 4, 5), "test.csv": ",Filename,Label,ClassName\n" + petList("{n},{class}/{class}_{i}.jpg,{k},{class}", 5, 6)}), splits: three},
		{name: "a column of splits", files: with(petFolders("images"), m{"meta.csv": "path,label,split\n" + petList("images/{class}/{class}_{i}.jpg,{class},train", 0, 4) + petList("images/{class}/{class}_{i}.jpg,{class},val", 4, 6)}), splits: "train 8, val 4"},
		{name: "a column of splits and none of classes", files: with(petFolders("images"), m{"meta.csv": "path,split\n" + petList("images/{class}/{class}_{i}.jpg,train", 0, 4) + petList("images/{class}/{class}_{i}.jpg,val", 4, 6)}), splits: "train 8, val 4"},
		{name: "one JSON file of splits", files: with(petFolders("."), m{"split_zhou.json": m{"train": []any{[]any{"cat/cat_0.jpg", 0, "cat"}, []any{"dog/dog_0.jpg", 1, "dog"}}, "val": []any{[]any{"cat/cat_1.jpg", 0, "cat"}, []any{"dog/dog_1.jpg", 1, "dog"}}}}), splits: "train 2, val 2", says: "image_in_no_list: cat/cat_2.jpg"},
		{name: "folds", files: with(petFolders("images"), m{"labels/train1.txt": petList("{class}/{class}_{i}.jpg", 0, 4), "labels/train2.txt": petList("{class}/{class}_{i}.jpg", 2, 6)}), refused: "several lists of the same split, with different images: labels/train1.txt and labels/train2.txt"},
		{name: "one image in two lists", files: with(petFolders("."), m{"train.txt": petList("{class}/{class}_{i}.jpg", 0, 5), "val.txt": petList("{class}/{class}_{i}.jpg", 4, 6)}), refused: "images are in two splits"},
		{name: "lists of MXNet", files: with(petFolders("data"), m{"my_train.lst": petList("{n}\t{k}\t{class}/{class}_{i}.jpg", 0, 4), "my_val.lst": petList("{n}\t{k}\t{class}/{class}_{i}.jpg", 4, 6)}), splits: "train 8, val 4"},
		{name: "numbers of images", files: with(petFolders("."), m{"train_idx.txt": "0\n1\n2\n"}), splits: "train 9, val 3", says: "split_list_unread: train_idx.txt"},
		{name: "lists of MATLAB", files: with(petFolders("Images"), m{"train_list.mat": "MATLAB 5.0", "test_list.mat": "MATLAB 5.0"}), splits: "train 9, val 3", says: "split_list_unread: train_list.mat"},
		{name: "a list of images that are not here", files: with(petFolders("."), m{"train.txt": "elsewhere/1.jpg\nelsewhere/2.jpg\n"}), splits: "train 9, val 3", says: "split_list_unread: train.txt"},
		{name: "folders count before lists", files: with(classFolders(map[string]int{"train": 4, "val": 2}, "cat", "dog"), m{"val.txt": "train/cat/cat_0.jpg\n"}), splits: "train 8, val 4", says: "split_list_unused: val.txt: train/cat/cat_0.jpg"},
		{name: "folders leave train and val open", files: with(classFolders(map[string]int{"train": 5, "test": 2}, "cat", "dog"), m{"val.txt": petList("train/{class}/{class}_{i}.jpg", 4, 5)}), splits: "train 8, val 2, test 4", says: "split_of_lists: val.txt"},
		{name: "some lines lead nowhere", files: with(petFolders("."), m{"train.txt": petList("{class}/{class}_{i}.jpg", 0, 4), "val.txt": petList("{class}/{class}_{i}.jpg", 4, 8)}), splits: "train 8, val 4", says: `listed_image_missing: val.txt: "cat/cat_6.jpg"`},
		{name: "names that fit several images", files: m{"cat/a0.jpg": image64(), "cat/a1.jpg": image64(), "dog/a0.jpg": image64(), "dog/a1.jpg": image64(), "val.txt": "a1\n"}, says: "split_list_unread: val.txt"},
		{name: "JSON that is broken", files: with(petFolders("."), m{"splits.json": `{"train": [`}), splits: "train 9, val 3", says: "split_list_unread: splits.json: "},
		{name: "a column of folds", files: with(petFolders("images"), m{"folds.csv": "path,fold\n" + petList("images/{class}/{class}_{i}.jpg,{i}", 0, 6)}), splits: "train 9, val 3", says: "split_list_unread: folds.csv: the column fold"},
		{name: "a column of splits and more", files: with(petFolders("images"), m{"meta.csv": "path,split\n" + petList("images/{class}/{class}_{i}.jpg,train", 0, 5) + petList("images/{class}/{class}_{i}.jpg,extra", 5, 6)}), splits: "train 9, val 3", says: "split_list_unread: meta.csv: the column split"},
		{name: "names of classes in JSON", files: with(petFolders("."), m{"cat_to_name.json": m{"cat": "house cat", "dog": "hound"}}), splits: "train 9, val 3", says: "class_names_unread: cat_to_name.json"},
		{name: "folders in folders of classes", files: with(classFolders(map[string]int{"animal": 4}, "cat", "dog"), classFolders(map[string]int{"vehicle": 4}, "bus", "car")), classes: "animal vehicle", splits: "train 12, val 4", says: "folders_in_classes: animal/cat/"},
		{name: "a class of videos", files: with(petFolders("."), m{"bird/0.mp4": "ftyp", "bird/1.mp4": "ftyp", "cat/film.mp4": "ftyp", "notes/a.md": "x"}), splits: "train 9, val 3", says: "folder_without_images: bird/"},
		{name: "splits of several folds in JSON", files: with(petFolders("."), m{"splits.json": m{"fold0": m{"train": []string{"cat/cat_0.jpg"}, "val": []string{"cat/cat_1.jpg"}}, "fold1": m{"train": []string{"cat/cat_1.jpg"}, "val": []string{"cat/cat_0.jpg"}}}}), splits: "train 9, val 3", says: "split_list_unread: splits.json: it holds several splits: fold0, fold1"},
		{name: "numbers of images in JSON", files: with(petFolders("."), m{"splits.json": m{"train": []int{0, 1}, "val": []int{2}}}), splits: "train 9, val 3", says: "split_list_unread: splits.json"},
		{name: "texts that are no lists", files: with(petFolders("."), m{"train_notes.txt": "this was a train of thought\n", "labels.csv": "x,y\n1,2\n"}), splits: "train 9, val 3"},
		{name: "GTSRB", files: with(with(classFolders(map[string]int{"Train": 6}, "0", "1"), with(numberedFiles("Test/%d.png", 4, image64), numberedFiles("Meta/%d.png", 2, image64))), m{
			"Train.csv": "Width,ClassId,Path\n" + strings.NewReplacer("cat", "0", "dog", "1").Replace(petList("64,{class},Train/{class}/{class}_{i}.jpg", 0, 6)),
			"Test.csv":  "Width,ClassId,Path\n64,0,Test/0.png\n64,1,Test/1.png\n64,0,Test/2.png\n64,1,Test/3.png\n",
			"Meta.csv":  "Path,ClassId,ShapeId\nMeta/0.png,0,1\nMeta/1.png,1,1\n"}), classes: "0 1", splits: "train 9, val 3, test 4", says: "table_unused: Meta.csv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = classifying
			if c.classes == "" {
				c.classes = "cat dog"
			}
			check(t, c)
		})
	}
}

// TestAListOfImagesWithoutAnnotationsIsUnderstood: competitions publish what is to be
// predicted.
func TestAListOfImagesWithoutAnnotationsIsUnderstood(t *testing.T) {
	files := with(numberedFiles("train/%d.jpg", 4, image64), numberedFiles("test/x%d.jpg", 2, image64))
	files["train.csv"], files["test.csv"] = "image,label\n0.jpg,cat\n1.jpg,dog\n2.jpg,cat\n3.jpg,dog\n", "image\nx0.jpg\nx1.jpg\n"
	p := prepare(t, request(t, folder(t, files), classifying, contract.FormatImageFolder))
	if splitSizes(p) != "train 2/2, val 2/2" || find(p, "split_list_unread").Count != 0 {
		t.Errorf("%s %v", splitSizes(p), p.Problems)
	}
}

// TestPicturesThatAreLabelsAreNoDataset: Oxford Pets has its images in one folder, and a
// folder of trimaps below annotations/.
func TestPicturesThatAreLabelsAreNoDataset(t *testing.T) {
	files := join(numberedFiles("images/%d.jpg", 6, image64), numberedFiles("annotations/trimaps/%d.png", 6, image64), m{"annotations/list.txt": "0 1 1 1\n"})
	refused(t, files, classifying, "images/")
}

func TestSplitsAndClassesThatContradictAreNamed(t *testing.T) {
	folders := func(n int, dirs ...string) m {
		files := m{}
		for _, dir := range dirs {
			files = with(files, numberedFiles(dir+"/%d.jpg", n, image64))
		}
		return files
	}
	for _, c := range []published{
		{name: "evaluation is for testing beside dev", files: classFolders(map[string]int{"train": 4, "dev": 2, "eval": 3}, "cat", "dog"), splits: "train 8, val 4, test 6"},
		{name: "evaluation is for validation alone", files: classFolders(map[string]int{"train": 4, "eval": 2}, "cat", "dog"), splits: "train 8, val 4"},
		{name: "two folders of one split", files: classFolders(map[string]int{"train": 4, "val": 2, "validation": 1}, "cat", "dog"), splits: "train 8, val 6", says: "splits_joined: val/, validation/ are val"},
		{name: "splits and images below classes", files: folders(3, "cat/train/images", "cat/val/images", "dog/train/images", "dog/val/images"), splits: "train 6, val 6", classes: "cat dog"},
		{name: "splits below images below classes", files: folders(3, "cat/images/train", "cat/images/val", "dog/images/train", "dog/images/val"), splits: "train 6, val 6", classes: "cat dog"},
		{name: "a class without the splits of the others", files: folders(3, "cat/train", "cat/test", "dog/train", "dog/test", "bird"), refused: "called like splits, and not every class has nothing but these: cat/test/, cat/train/"},
		{name: "splits in the names of classes", files: folders(3, "cat_train", "cat_test", "dog_train", "dog_test"), refused: "cat_test/ and cat_train/ are called alike but for the split"},
		{name: "MVTec AD", files: folders(3, "bottle/train/good", "bottle/test/broken", "cable/train/good", "cable/test/bent"), refused: "bottle/test/"},
		{name: "versions of one dataset", files: classFolders(map[string]int{"color": 3, "gray": 3, "segmented": 3}, "rust", "scab"), refused: "color/, gray/ and the like all hold the same folders (rust, scab)"},
		{name: "sessions of each class are no classes", files: folders(2, "anna/session1", "anna/session2", "ben/session1", "ben/session2"), classes: "anna ben"},
		{name: "videos of MOT", files: with(folders(2, "train/a/img1", "train/b/img1"), m{"train/a/gt/gt.txt": "1,1,8,8,20,20,1,1,1\n"}), refused: "laid out for objects (MOT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = classifying
			check(t, c)
		})
	}
}

func TestLabelsOfYOLOInFoldersOfOtherNames(t *testing.T) {
	set := func(image, label string) m {
		files := m{"classes.txt": "helmet\n"}
		for split, n := range map[string]int{"train": 4, "val": 2} {
			files = with(files, with(numberedFiles(fmt.Sprintf(image, split)+"/"+split+"%d.jpg", n, image64), numberedFiles(fmt.Sprintf(label, split)+"/"+split+"%d.txt", n, func() any { return goodRow })))
		}
		return files
	}
	yaml := func(images string) string {
		return fmt.Sprintf("train: %s/train\nval: %[1]s/val\nnames: [helmet]\n", images)
	}
	both := "train 4, val 2"
	for _, c := range []published{
		{name: "annotations", files: set("images/%s", "annotations/%s"), splits: both, says: "label_elsewhere: annotations/train/train0.txt"},
		{name: "image and label", files: set("image/%s", "label/%s"), splits: both, says: "label_elsewhere"},
		{name: "capitals", files: set("Images/%s", "Labels/%s"), splits: both, says: "label_elsewhere: Labels/train/train0.txt"},
		{name: "capitals, declared", files: with(set("Images/%s", "Labels/%s"), m{"data.yaml": yaml("Images")}), splits: both},
		{name: "imgs, declared", files: with(set("imgs/%s", "labels/%s"), m{"data.yaml": yaml("imgs")}), splits: both},
		{name: "folders of splits", files: set("%s/Image", "%s/Label"), splits: both},
		{name: "images_train and labels_train", files: set("images_%s", "labels_%s"), splits: both},
		{name: "labels above", files: with(set("%s", "labels/%s"), m{"data.yaml": "train: train\nval: val\nnames: [helmet]\n"}), splits: both, says: "label_elsewhere"},
		{name: "dev and eval", files: with(set("%s/images", "%s/labels"), with(numberedFiles("eval/images/e%d.jpg", 2, image64), numberedFiles("eval/labels/e%d.txt", 2, func() any { return goodRow }))), splits: "train 4, val 2, test 2"},
		{name: "other labels of the same images", files: with(set("images/%s", "labels/%s"), numberedFiles("labels_seg/train/train%d.txt", 2, func() any { return "0 .1 .1 .3 .1 .3 .3\n" })), splits: both, says: "labels_unused: labels_seg/train/"},
		{name: "images beside the folder of the dataset", files: with(yoloSet("set/", goodRow, "train: images/train\nval: images/val\nnames: [helmet]\n"), numberedFiles("more/%d.jpg", 8, image64)), splits: "train 5, val 2", says: "mostly_unlisted: beside set/, such as more/0.jpg"},
		{name: "one label of two images", files: with(set("images/%s", "labels/%s"), m{"images/train/train0.png": image64()}), splits: "train 5, val 2", says: "label_of_several: labels/train/train0.txt"},
		{name: "lists of classes that differ", files: m{"train/a.jpg": image64(), "train/a.txt": goodRow, "val/b.jpg": image64(), "val/b.txt": goodRow, "train/classes.txt": "cat\ndog\n", "val/classes.txt": "dog\ncat\n"}, refused: "train/classes.txt and val/classes.txt have different names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = detecting
			if c.classes == "" {
				c.classes = "helmet"
			}
			check(t, c)
		})
	}
}

func TestFilesBesideCOCO(t *testing.T) {
	pair := func(file string) m { return cocoPair(cats, file, "{split}{i}.jpg", "images/{split}/{split}{i}.jpg") }
	lvis := cocoPair(cats, "lvis_v1_{split}.json", "{split}{i}.jpg", "{split}2017/{split}{i}.jpg")
	for _, split := range []string{"train", "val"} {
		for _, im := range lvis["lvis_v1_"+split+".json"].(m)["images"].([]any) {
			im.(m)["coco_url"] = fmt.Sprintf("http://images.cocodataset.org/%s2017/%s", split, im.(m)["file_name"])
			delete(im.(m), "file_name")
		}
	}
	one := numberedFiles("images/my cat %d.jpg", 4, image64)
	single := with(numberedFiles("images/%d.jpg", 4, image64), m{"annotations/instances_default.json": cocoOf(cats, "0.jpg", "1.jpg", "2.jpg", "3.jpg")})
	for _, c := range []published{
		{name: "a backup of every file", files: with(pair("annotations/instances_{split}.json"), pair("coco_backup/instances_{split}.json")), splits: "train 4, val 2", says: "annotation_file_copied: coco_backup/instances_train.json is annotations/instances_train.json"},
		{name: "downloaded twice", files: with(single, m{"annotations/instances_default (1).json": single["annotations/instances_default.json"]}), splits: "train 3, val 1", says: "annotation_file_copied: annotations/instances_default (1).json"},
		{name: "results of a model", files: with(pair("annotations/instances_{split}.json"), m{"predictions.json": `[{"image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}]`}), splits: "train 4, val 2", says: "results_kept_out: predictions.json"},
		{name: "dev and eval", files: with(cocoPair(cats, "annotations/instances_{split}.json", "{split}{i}.jpg", "{split}/{split}{i}.jpg"), with(numberedFiles("eval/e%d.jpg", 3, image64), m{"annotations/instances_eval.json": cocoOf(cats, "e0.jpg", "e1.jpg", "e2.jpg")})), splits: "train 4, val 2, test 3"},
		{name: "LVIS has addresses", files: lvis, splits: "train 4, val 2"},
		{name: "names of an address", files: with(one, m{"result.json": cocoOf(cats, "images/my%20cat%200.jpg", "images/my%20cat%201.jpg", "images/my%20cat%202.jpg", "images/my%20cat%203.jpg")}), splits: "train 3, val 1", says: "other_spelling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task, c.classes = detecting, "cat"
			check(t, c)
		})
	}
}

// TestVOCWithMasksOfTheSameNames: VOC 2012 has SegmentationClass/a.png beside
// JPEGImages/a.jpg.
func TestVOCWithMasksOfTheSameNames(t *testing.T) {
	wanted{files: join(vocSet(10, "JPEGImages/%d.jpg", "Annotations/%d.xml", catAndDog...), pictures(10, "SegmentationClass/%d.png"), pictures(10, "SegmentationObject/%d.png")), splits: "train 8/16, val 2/4"}.check(t, "voc")
}

func TestTablesWithoutAHeaderAndWithSeveralClasses(t *testing.T) {
	flat := pictures(10, "images/%d.jpg")
	pets := func(i int) string { return fmt.Sprintf("%d.jpg,%s", i, petOf(i)) }
	_, headless, _ := strings.Cut(rows("", 10, pets), "\n")
	wanted{files: join(flat, m{"labels.csv": headless}), splits: "train 8/8, val 2/2", task: contract.TaskImageClassification}.check(t, "csv")
	for name, cell := range map[string]string{"bars": "rust|scab", "blanks": "rust scab"} {
		t.Run(name, func(t *testing.T) {
			table := rows("image,labels", 9, func(i int) string { return fmt.Sprintf("%d.jpg,%s", i, []string{"rust", "scab"}[i%2]) }) + "9.jpg," + cell + "\n"
			refused(t, join(flat, m{"train.csv": table}), contract.TaskImageClassification, "more than one class")
		})
	}
	table := rows("image,label", 9, func(i int) string { return fmt.Sprintf("%d.jpg,%s", i, []string{"light", "blue", "light blue"}[i%3]) })
	wanted{files: join(pictures(9, "images/%d.jpg"), m{"train.csv": table}), splits: "train 6/6, val 3/3", classes: "blue,light,light blue", task: contract.TaskImageClassification}.check(t, "csv")
}

// TestExportsThatAreNotReadAreCalledByTheirName, with the way out.
func TestExportsThatAreNotReadAreCalledByTheirName(t *testing.T) {
	images := numberedFiles("img/%d.jpg", 4, image64)
	for name, files := range map[string]m{
		"Supervisely":     numberedFiles("ann/%d.jpg.json", 4, func() any { return `{"objects": [{"classTitle": "cat", "points": {"exterior": [[8, 8], [30, 30]]}}]}` }),
		"(VIA)":           {"via_region_data.json": `{"0.jpg123": {"filename": "0.jpg", "regions": {"0": {"shape_attributes": {"name": "polygon"}}}}}`},
		"Label Studio":    {"project-1.json": `[{"annotations": [{"result": [{"from_name": "label", "to_name": "image"}]}], "data": {"image": "0.jpg"}}]`},
		"CreateML":        {"_annotations.createml.json": `[{"image": "0.jpg", "annotations": [{"label": "cat", "coordinates": {"x": 1}}]}]`},
		"Datumaro":        {"annotations/default.json": `{"categories": {"label": {"labels": []}}, "items": [{"id": "0"}]}`},
		"BDD100K":         {"labels.json": `[{"name": "0.jpg", "labels": [{"category": "car", "box2d": {"x1": 1}}]}]`},
		"results":         {"predictions.json": `[{"image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}]`},
		"CVAT for images": {"annotations.xml": `<?xml version="1.0"?><annotations><image id="0" name="0.jpg"><box/></image></annotations>`},
		"VisDrone":        numberedFiles("VisDrone2019-DET-train/annotations/%d.txt", 4, func() any { return "684,8,273,116,0,0,0,0\n406,119,265,70,1,4,0,0\n" }),
		"WIDER FACE":      {"wider_face_split/wider_face_train_bbx_gt.txt": "0--Parade/0.jpg\n1\n10 10 20 20 0 0 0 0 0 0\n"},
		"KITTI":           numberedFiles("label_2/%d.txt", 4, func() any { return "Car 0.00 0 -1.58 8.0 8.0 30.0 30.0 1.5 1.6 3.9 1.0 1.5 9.0 -1.5\n" }),
		"DOTA":            numberedFiles("labelTxt/%d.txt", 4, func() any { return "imagesource:GoogleEarth\ngsd:0.1\n8.0 8.0 30.0 8.0 30.0 30.0 8.0 30.0 plane 0\n" }),
		"MOT Challenge":   {"gt/gt.txt": "1,1,8,8,20,20,1,1,1\n"},
		"masks as images": numberedFiles("masks/%d.png", 4, image64),
		"a.tfrecord":      {"a.tfrecord": "x"},
		"train.parquet":   {"train.parquet": "PAR1"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, join(images, files), detecting, "What is there: ", name)
		})
	}
}

// TestListsBesideAnnotationsSayTheSplit, where the layout itself says none.
func TestListsBesideAnnotationsSayTheSplit(t *testing.T) {
	lists := m{"train.txt": listsOf("%d.jpg", 0, 4), "val.txt": listsOf("images/%d", 4, 6)}
	pictures := numberedFiles("images/%d.jpg", 7, image64)
	boxes := func(name string) any {
		return m{"version": "5.0.1", "shapes": []any{m{"label": "cat", "points": [][]int{{8, 8}, {30, 30}}, "shape_type": "rectangle"}}, "imagePath": name, "imageHeight": 48, "imageWidth": 64}
	}
	labelme, names := m{}, []string{}
	for i := range 7 {
		name := fmt.Sprintf("%d.jpg", i)
		names = append(names, name)
		labelme[fmt.Sprintf("images/%d.json", i)] = boxes(name)
	}
	for name, files := range map[string]m{
		"voc":     vocSet(7, "images/%d.jpg", "Annotations/%d.xml", vocObject("cat", 8, 8, 30, 30)),
		"labelme": labelme,
		"coco":    {"result.json": cocoOf(cats, names...)},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, published{task: detecting, files: join(pictures, files, lists), classes: "cat", splits: "train 4, val 2", says: "image_in_no_list: images/6.jpg"})
		})
	}
}

// TestJSONAndTablesBesideAnnotationsSayTheSplit, also where the annotations are JSON, or
// the labels texts, which are none of these lists.
func TestJSONAndTablesBesideAnnotationsSayTheSplit(t *testing.T) {
	names, rows := []string{}, ""
	for i := range 6 {
		names = append(names, fmt.Sprintf("%d.jpg", i))
		rows += fmt.Sprintf("%d.jpg,%s\n", i, []string{"train", "val"}[i/4])
	}
	pictures := numberedFiles("images/%d.jpg", 6, image64)
	yolo := join(pictures, join(numberedFiles("labels/%d.txt", 6, func() any { return goodRow }), m{"classes.txt": "cat\n"}))
	splits := m{"splits.json": m{"train": names[:4], "val": names[4:]}}
	coco, platform := m{"result.json": cocoOf(cats, names...)}, m{"annotations.json": cocoOf(cats, names...)}
	sized := func(names []string) (list []any) {
		for _, name := range names {
			list = append(list, m{"image": name, "size": []int{64, 48}, "boxes": [][]int{{8, 8, 22, 22}}})
		}
		return list
	}
	const followed = "split_of_lists: splits.json"
	for _, c := range []published{
		{name: "JSON beside COCO", files: join(join(pictures, coco), splits), splits: "train 4, val 2", says: followed},
		{name: "JSON beside annotations.json", files: join(join(pictures, platform), splits), splits: "train 4, val 2", says: followed},
		{name: "JSON beside YOLO", files: join(yolo, splits), splits: "train 4, val 2", says: followed},
		{name: "JSON that says more of each image", files: join(yolo, m{"splits.json": m{"train": sized(names[:4]), "val": sized(names[4:])}}), splits: "train 4, val 2", says: followed},
		{name: "a table beside YOLO", files: join(yolo, m{"split.csv": "image,split\n" + rows}), splits: "train 4, val 2", says: "split_of_lists: split.csv"},
		{name: "folds beside YOLO", files: join(yolo, m{"folds.csv": "image,fold\n0.jpg,0\n1.jpg,1\n2.jpg,2\n"}), splits: "train 4, val 2", says: "split_list_unread: folds.csv: the column fold"},
		{name: "results of a training beside YOLO", files: join(yolo, m{"results.csv": "epoch,train/box_loss\n1,0.5\n"}), splits: "train 4, val 2"},
		{name: "annotations that are called as a split", files: join(pictures, m{"train_split.json": cocoOf(cats, names[:4]...), "val_split.json": cocoOf(cats, names[4:]...)}), splits: "train 4, val 2"},
		{name: "declared splits count before a table", files: join(yoloSet("", goodRow, "train: images/train\nval: images/val\nnames: [cat]\n"), m{"split.csv": "image,split\nval0.jpg,train\n"}), splits: "train 5, val 2", says: "split_list_unused: split.csv: images/val/val0.jpg is in val"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task, c.classes = detecting, "cat"
			check(t, c)
		})
	}
}

// TestListsBesidePlatformFormatSayTheSplit, of images of which it says none: a COCO file
// that is called annotations.json is read as one.
func TestListsBesidePlatformFormatSayTheSplit(t *testing.T) {
	names := []string{}
	for i := range 6 {
		names = append(names, fmt.Sprintf("%d.jpg", i))
	}
	lists := m{"train.txt": listsOf("images/%d.jpg", 0, 4), "val.txt": listsOf("%d.jpg", 4, 6)}
	pictures := numberedFiles("images/%d.jpg", 6, image64)
	decided := cocoOf(cats, names...)
	decided["split_config"] = m{"method": "auto", "ratio": []float64{0.5, 0.5}}
	for _, c := range []published{
		{name: "COCO", files: m{"annotations.json": cocoOf(cats, names...)}, splits: "train 4, val 2", says: "split_of_lists: train.txt"},
		{name: "split_config counts before them", files: m{"annotations.json": decided}, splits: "train 3, val 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task, c.classes, c.files = detecting, "cat", join(pictures, c.files, lists)
			check(t, c)
		})
	}
}
