package read

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// put writes files below root; false where a name is none of a file.
func put(root string, files map[string]string) bool {
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)) != nil {
			return false
		}
	}
	return true
}

// readBack recognises a folder for a task, and checks that what is read holds
// together.
func readBack(t *testing.T, root string, task contract.TaskType) {
	tree, err := images.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := Recognise(tree, task)
	if err != nil && contract.AsFailure(err) == nil {
		t.Fatal(err)
	}
	if layout == nil {
		return
	}
	problems := new(problem.List)
	c, err := layout.Read(problems)
	if err != nil {
		if f := contract.AsFailure(err); f == nil || f.Message == "" {
			t.Fatalf("an error without words: %v", err)
		}
		return
	}
	for i := range c.Objects.Len() {
		check(t, c, c.Objects.At(i), problems)
	}
}

func check(t *testing.T, c *dataset.Catalog, o *dataset.Object, problems *problem.List) {
	if int(o.Image) < 0 || int(o.Image) >= len(c.Images) {
		t.Fatalf("an object of image %d of %d", o.Image, len(c.Images))
	}
	if int(o.Class) >= len(c.Classes) && !problems.Fatal() {
		t.Fatalf("an object of class %d of %d", o.Class, len(c.Classes))
	}
	numbers := append([]float64(nil), o.Box[:]...)
	for _, ring := range append(o.Polygons, o.Keypoints) {
		numbers = append(numbers, ring...)
	}
	for _, v := range numbers {
		if (math.IsNaN(v) || math.IsInf(v, 0)) && !problems.Fatal() {
			t.Fatalf("an object of %v", numbers)
		}
	}
}

func FuzzYOLO(f *testing.F) {
	f.Add("train: images/train\nval: images/val\nnames: [cat, dog]\n", "0 .5 .5 .2 .2\n1 .1 .1 .2 .2 .3 .1\n", "./images/train/a.jpg\n/elsewhere/images/val/b.jpg\n")
	f.Add("path: /x\ntrain: train.txt\nval: [images/val]\nnc: 2\nnames: {0: a, 5: b}\nkpt_shape: [1, 3]\nflip_idx: [0]", "0 .5 .5 .2 .2 .5 .5 2\r\n", "\ufeffimages/train/a.jpg")
	f.Add("train: .\nval: ..\nnc: -1\nnames: 7\nkpt_shape: [-1, 2]", "NaN 1e999 -1 0x1p-2 _\n-1 0 0 0 0", "////\n\x00")
	f.Add("train: a\nb: &b [*a, *a]\nnames: *b", "", "")
	root := f.TempDir() // of this worker: new folders for every input would be most of the work
	put(root, map[string]string{"labels/val/b.txt": "0 .5 .5 .1 .1", "images/train/a.jpg": "", "images/val/b.jpg": ""})
	tasks := []contract.TaskType{contract.TaskObjectDetection, contract.TaskInstanceSegmentation, contract.TaskPoseEstimation}
	f.Fuzz(func(t *testing.T, config, label, list string) {
		put(root, map[string]string{"data.yaml": config, "train.txt": list, "labels/train/a.txt": label})
		readBack(t, root, tasks[(len(config)+len(label))%len(tasks)])
	})
}

func FuzzCOCO(f *testing.F) {
	f.Add(`{"images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 3}], "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 2, 1]}], "categories": [{"id": 3, "name": "cat"}]}`)
	f.Add(`{"categories": [{"id": "x"}], "images": [{"id": 1}, {"id": 1, "file_name": "../a.jpg"}], "annotations": [{"image_id": 9, "bbox": [NaN]}]}`)
	f.Add(`{"images": null, "annotations": {}, "categories": [`)
	root := f.TempDir()
	put(root, map[string]string{"train2017/a.jpg": "", "val2017/a.jpg": ""})
	f.Fuzz(func(t *testing.T, text string) {
		put(root, map[string]string{"annotations/instances_train2017.json": text, "annotations/instances_val2017.json": text})
		readBack(t, root, contract.TaskObjectDetection)
	})
}

func FuzzFolders(f *testing.F) {
	f.Add("train/cat/a.jpg", "val/dog/b.jpg")
	f.Add("cat/a.jpg", ".ipynb_checkpoints/b.jpg")
	f.Add("train/a.jpg", "__MACOSX/cat/b.jpg")
	f.Fuzz(func(t *testing.T, one, other string) {
		if !filepath.IsLocal(one) || !filepath.IsLocal(other) {
			return // not a name in a folder
		}
		root := t.TempDir()
		if !put(root, map[string]string{one + ".jpg": "", other + ".jpg": ""}) {
			return // no name of a file
		}
		readBack(t, root, contract.TaskImageClassification)
	})
}

func FuzzVOC(f *testing.F) {
	f.Add("<annotation><filename>a.jpg</filename><size><width>4</width><height>3</height></size><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox></object></annotation>", "a\nb\n")
	f.Add("\xff\xfe<\x00a\x00n\x00", "cat_train")
	f.Add("<annotation><object><name>x</name><polygon><pt><x>1</x><y>NaN</y></pt><x1>2</x1></polygon><robndbox><cx>1</cx></robndbox></object>", "../a\n\x00")
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>`, "")
	root := f.TempDir()
	put(root, map[string]string{"JPEGImages/a.jpg": "", "JPEGImages/b.jpg": "", "Annotations/b.xml": "<annotation></annotation>"})
	f.Fuzz(func(t *testing.T, text, list string) {
		put(root, map[string]string{"Annotations/a.xml": text, "ImageSets/Main/train.txt": list, "ImageSets/Main/val.txt": "b\n"})
		readBack(t, root, contract.TaskInstanceSegmentation)
	})
}

func FuzzLabelMe(f *testing.F) {
	f.Add(`{"shapes": [{"label": "cat", "points": [[1, 2], [3, 4]], "shape_type": "rectangle", "group_id": 1}, {"label": 7, "points": [[1, 2], [3, 4], [5, 1]]}], "imagePath": "a.jpg", "imageWidth": 64}`)
	f.Add(`{"shapes": [{"label": "m", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "iVBORw0KGgo="}], "imagePath": "..\\a.jpg", "imageData": null}`)
	f.Add(`{"imageData": "x", "shapes": [{"points": [[]]}, {"points": null, "label": null, "shape_type": "circle"}, 3]}`)
	root := f.TempDir()
	put(root, map[string]string{"a.jpg": "", "b.jpg": ""})
	f.Fuzz(func(t *testing.T, text string) {
		put(root, map[string]string{"a.json": text})
		readBack(t, root, contract.TaskObjectDetection)
	})
}

func FuzzTables(f *testing.F) {
	f.Add("image_id,label\na.jpg,cat\nb.jpg,dog\n")
	f.Add("filename;cat;dog\na.jpg;1;0\nb;0;1\n")
	f.Add("\ufeff\"id\"\tclass\tsplit\na\tx\ttrain\nb\ty\tval\n")
	f.Add("ImageID,LabelName,Confidence\na,/m/01,1\na,/m/02,0\n,,\n")
	root := f.TempDir()
	put(root, map[string]string{"images/a.jpg": "", "images/b.jpg": "", "class-descriptions.csv": "/m/01,Cat\n"})
	f.Fuzz(func(t *testing.T, text string) {
		put(root, map[string]string{"train.csv": text})
		readBack(t, root, contract.TaskImageClassification)
	})
}

func FuzzLists(f *testing.F) {
	f.Add("cat/a\ndog/b.jpg 1\n", `{"test": ["cat/a.jpg", ["dog/b.jpg", 1]]}`, "path,split\ncat/a.jpg,train\n", "1 1\n2 0\n")
	f.Add("C:\\x\\cat\\a.jpg\r\n//\n..", `[{"val": {"x": "cat/a.jpg"}}, null, 1e999]`, ",\n,,\n\"", "1\n 2 x\n")
	root := f.TempDir()
	put(root, map[string]string{"images/cat/a.jpg": "", "images/dog/b.jpg": "", "images.txt": "1 cat/a.jpg\n2 dog/b.jpg\n"})
	f.Fuzz(func(t *testing.T, list, object, table, numbers string) {
		put(root, map[string]string{"train.txt": list, "split.json": object, "meta.csv": table, "train_test_split.txt": numbers})
		readBack(t, root, contract.TaskImageClassification)
	})
}

func FuzzDarknet(f *testing.F) {
	f.Add("classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n", "data/obj_train_data/a.jpg\n", "cat\n")
	f.Add("train = ../../x\nnames==\n=\nvalid = train.txt", "obj_train_data\\a.jpg\r\n", "\xb0\xed")
	root := f.TempDir()
	put(root, map[string]string{"obj_train_data/a.jpg": "", "obj_train_data/a.txt": "0 .5 .5 .1 .1\n"})
	f.Fuzz(func(t *testing.T, data, list, names string) {
		put(root, map[string]string{"obj.data": data, "train.txt": list, "obj.names": names})
		readBack(t, root, contract.TaskObjectDetection)
	})
}
