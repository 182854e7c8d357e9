package converters_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/vision-platform/trainer-agent/contract"
)

// More datasets as people publish them, each with what is right of it.

// listsOf is a list of images, one a line.
func listsOf(pattern string, from, to int) string {
	var list strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&list, pattern+"\n", i)
	}
	return list.String()
}

func TestPartsOfASetAreNoClasses(t *testing.T) {
	metadata := "lesion_id,image_id,remark,age\n" + listsOf("HAM,%d,nv,80", 0, 8)
	diagnoses := "lesion_id,image_id,dx,sex\nA,0,nv,male\nA,1,mel,female\nA,2,nv,male\nA,3,mel,male\n"
	for _, c := range []published{
		{name: "folds", files: classFolders(map[string]int{"fold1": 3, "fold2": 3, "fold3": 3}, "cat", "dog"), refused: "fold1/, fold2/, fold3/"},
		{name: "images in parts", files: with(with(numberedFiles("HAM_images_part_1/%d.jpg", 4, image64), numberedFiles("HAM_images_part_2/1%d.jpg", 4, image64)), m{"meta.csv": metadata}), refused: "parts of one set of images"},
		{name: "images in parts with a table of diagnoses", files: with(with(numberedFiles("images_part_1/%d.jpg", 2, image64), m{"images_part_2/2.jpg": image64(), "images_part_2/3.jpg": image64()}), m{"meta.csv": diagnoses}), classes: "mel nv"},
		{name: "classes with a number", files: classFolders(map[string]int{".": 4}, "c0", "c1", "c2"), classes: "c0 c1 c2"},
		{name: "parts of a machine are classes", files: classFolders(map[string]int{".": 4}, "part1", "part2"), classes: "part1 part2"},
		{name: "numbers", files: classFolders(map[string]int{"train": 4, "val": 2}, "0", "1", "2"), classes: "0 1 2", splits: "train 12, val 6"},
		{name: "each class reaches val beside a test", files: classFolders(map[string]int{"Train": 2, "Test": 1}, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"), classes: "0 1 2 3 4 5 6 7 8 9", says: "split_moved_for_class"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = classifying
			check(t, c)
		})
	}
}

func TestDeclarationsOfYOLOAreFollowed(t *testing.T) {
	named := func(names string) string { return "train: images/train\nval: images/val\nnames: " + names + "\n" }
	flat := func() m {
		return with(numberedFiles("images/%d.jpg", 6, image64), numberedFiles("labels/%d.txt", 6, func() any { return goodRow }))
	}
	spelled := func(image, label string) m {
		return with(with(numberedFiles(image, 6, image64), numberedFiles(label, 6, func() any { return goodRow })), m{"classes.txt": "helmet\n"})
	}
	fold := func(k int) m {
		at := fmt.Sprintf("fold%d/", k)
		return m{at + "train.txt": listsOf("../images/%d.jpg", 0, 4), at + "val.txt": listsOf("../images/%d.jpg", 4, 6), at + "data.yaml": fmt.Sprintf("train: train.txt\nval: val.txt\nnames: [a%d]\n", k)}
	}
	darknet := with(numberedFiles("data/obj/%d.jpg", 6, image64), numberedFiles("data/obj/%d.txt", 6, func() any { return goodRow }))
	darknet["cfg/obj.data"] = "classes= 1\ntrain  = /home/me/darknet/data/train.txt\nvalid  = /home/me/darknet/data/test.txt\nnames = /home/me/darknet/data/obj.names\n"
	darknet["data/obj.names"] = "helmet\n"
	darknet["data/train.txt"], darknet["data/test.txt"] = listsOf("/home/me/darknet/data/obj/%d.jpg", 0, 4), listsOf("/home/me/darknet/data/obj/%d.jpg", 4, 6)
	for _, c := range []published{
		{name: "names is a file", files: with(yoloSet("", goodRow, named("data/obj.names")), m{"data/obj.names": "helmet\n"}), classes: "helmet", splits: "train 5, val 2"},
		{name: "names is a file of Windows", files: with(yoloSet("", goodRow, named(`D:\my\obj.names`)), m{"obj.names": "helmet\r\n"}), classes: "helmet"},
		{name: "names is a file that is not there", files: yoloSet("", goodRow, named("data/obj.names")), refused: `"data/obj.names", a file that is not in the dataset`},
		{name: "names is one name", files: yoloSet("", goodRow, named("helmet")), classes: "helmet"},
		{name: "one of an entry's folders is not there", files: yoloSet("", goodRow, "train: images/train\nval: [images/val, images/more]\nnames: [a]\n"), refused: "val: images/more"},
		{name: "folds", files: with(with(flat(), fold(0)), fold(1)), refused: "fold0/val.txt, fold1/val.txt"},
		{name: "one configuration in a folder", files: with(flat(), m{"config/data.yaml": "train: /gone/a\nval: /gone/b\nnames: [helmet]\n"}), classes: "helmet"},
		{name: "two configurations in folders", files: with(flat(), m{"a/data.yaml": "names: [helmet]\n", "b/data.yaml": "names: [vest]\n"}), refused: "a/data.yaml and b/data.yaml have different names"},
		{name: "labels in another Unicode form", files: spelled(norm.NFC.String("images/고양이%d.jpg"), norm.NFD.String("labels/고양이%d.txt")), classes: "helmet", splits: "train 4, val 2", says: "other_spelling: for images"},
		{name: "labels in another case", files: spelled("images/IMG_%d.JPG", "labels/img_%d.TXT"), classes: "helmet", splits: "train 4, val 2", says: "other_spelling: labels/img_0.TXT for images/IMG_0.JPG"},
		{name: "Darknet validates on test.txt", files: darknet, classes: "helmet", splits: "train 4, val 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = detecting
			check(t, c)
		})
	}
}

func TestVOCOfEveryYearAndEncoding(t *testing.T) {
	xml := func(head, class string) string {
		return head + "<annotation><size><width>64</width><height>48</height></size><object><name>" + class + "</name><bndbox><xmin>4</xmin><ymin>4</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>"
	}
	years := m{}
	for _, year := range []string{"VOC2007", "VOC2012"} {
		at := "VOCdevkit/" + year + "/"
		for i := range 4 {
			years[fmt.Sprintf("%sJPEGImages/%s_%d.jpg", at, year, i)] = image64()
			years[fmt.Sprintf("%sAnnotations/%s_%d.xml", at, year, i)] = xml("", "cat")
		}
		years[at+"ImageSets/Main/train.txt"], years[at+"ImageSets/Main/val.txt"] = listsOf(year+"_%d", 0, 3), year+"_3\n"
	}
	encoded := func(encoding, class string) m {
		return with(numberedFiles("images/%d.jpg", 4, image64), numberedFiles("images/%d.xml", 4, func() any { return xml(`<?xml version="1.0" encoding="`+encoding+`"?>`, class) }))
	}
	for _, c := range []published{
		{name: "two years", files: years, classes: "cat", splits: "train 6, val 2"},
		{name: "GB2312 that is UTF-8 by chance", files: encoded("gb2312", "\xc3\xa8"), classes: "猫"},
		{name: "GBK", files: encoded("GBK", "\xb9\xb7"), classes: "狗"},
		{name: "EUC-KR", files: encoded("euc-kr", "\xb0\xb3"), classes: "개"},
		{name: "a declaration that is not true", files: encoded("GB2312", "猫"), classes: "猫"},
		{name: "a western declaration that is not true", files: encoded("ISO-8859-1", "café"), classes: "café"},
		{name: "a western declaration", files: encoded("ISO-8859-1", "caf\xe9"), classes: "café"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.task = contract.TaskObjectDetection
			check(t, c)
		})
	}
}
