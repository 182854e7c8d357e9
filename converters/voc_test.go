package converters_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// vocXML is an annotation of Pascal VOC with objects of (name, box).
func vocXML(filename string, objects ...string) string {
	return "<annotation>\n\t<folder>x</folder>\n\t<filename>" + filename + "</filename>\n\t<size><width>64</width><height>48</height><depth>3</depth></size>\n" +
		"\t<segmented>0</segmented>\n" + strings.Join(objects, "\n") + "\n</annotation>\n"
}

func vocObject(name string, box ...float64) string {
	return fmt.Sprintf("<object><name>%s</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox><xmin>%v</xmin><ymin>%v</ymin><xmax>%v</xmax><ymax>%v</ymax></bndbox></object>",
		name, box[0], box[1], box[2], box[3])
}

var catAndDog = []string{vocObject("dog", 16, 12, 48, 36), vocObject("cat", 0, 0, 32, 24)}

// catAndDogRows are what these objects are in a label: cat is class 0.
const catAndDogRows = "1 0.500000 0.500000 0.500000 0.500000\n0 0.250000 0.250000 0.500000 0.500000\n"

// vocSet is n images with an annotation each, named by two patterns.
func vocSet(n int, image, annotation string, objects ...string) m {
	files := m{}
	for i := range n {
		name := fmt.Sprintf(image, i)
		files[name] = jpegOf(64, 48)
		files[fmt.Sprintf(annotation, i)] = vocXML(name[strings.LastIndex(name, "/")+1:], objects...)
	}
	return files
}

func join(sets ...m) m {
	all := m{}
	for _, s := range sets {
		maps.Copy(all, s)
	}
	return all
}

func lines(format string, from, to int) string {
	var out strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&out, format+"\n", i)
	}
	return out.String()
}

func classNames(p *converters.Prepared) []string {
	var list []string
	for _, c := range p.Classes.Classes {
		list = append(list, c.Name)
	}
	return list
}

// wanted is a dataset, and what it has to become.
type wanted struct {
	files   m
	task    contract.TaskType // object_detection by default
	splits  string            // as splitSizes says
	classes string            // by commas; cat,dog by default
	rows    string            // of every label; not looked at when empty
	problem string            // a code that has to be there
}

func (w wanted) check(t *testing.T, source string) {
	t.Helper()
	if w.task == "" {
		w.task = contract.TaskObjectDetection
	}
	r := request(t, folder(t, w.files), w.task, contract.ResolveFormat(contract.FrameworkUltralytics, w.task))
	p, err := converters.Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if w.classes == "" {
		w.classes = "cat,dog"
	}
	if p.Source != source || splitSizes(p) != w.splits || strings.Join(classNames(p), ",") != w.classes {
		t.Errorf("read as %s, %s, %v; want %s, %s, %s\n%v", p.Source, splitSizes(p), classNames(p), source, w.splits, w.classes, p.Problems)
	}
	if w.problem != "" && find(p, w.problem).Count == 0 {
		t.Errorf("%s is not said: %v", w.problem, p.Problems)
	}
	for name, text := range labels(t, p) {
		if w.rows != "" && text != w.rows {
			t.Errorf("%s is %q, want %q", name, text, w.rows)
		}
	}
}

// cvatTurned is a box as CVAT writes one that is turned by a quarter.
var cvatTurned = strings.Replace(vocObject("ship", 20, 8, 44, 40), "</object>",
	"<attributes><attribute><name>occluded</name><value>False</value></attribute><attribute><name>rotation</name><value>90.0</value></attribute></attributes></object>", 1)

func TestPascalVOC(t *testing.T) {
	devkit := func(top string) m { return vocSet(5, top+"JPEGImages/%d.jpg", top+"Annotations/%d.xml", catAndDog...) }
	withLists := join(devkit("VOCdevkit/VOC2012/"), m{
		"VOCdevkit/VOC2012/ImageSets/Main/train.txt": "0\n1\n", "VOCdevkit/VOC2012/ImageSets/Main/val.txt": "2\r\n3\r\n",
		"VOCdevkit/VOC2012/ImageSets/Main/trainval.txt": lines("%d", 0, 4), "VOCdevkit/VOC2012/ImageSets/Main/test.txt": "4\n",
		"VOCdevkit/VOC2012/ImageSets/Main/cat_train.txt": "0  1\n1 -1\n"})
	for name, w := range map[string]wanted{
		"the devkit's folders":                {files: devkit(""), splits: "train 4/8, val 1/2", rows: catAndDogRows},
		"the devkit with its lists":           {files: withLists, splits: "train 2/4, val 2/4, test 1/2", rows: catAndDogRows},
		"lists that leave an image out":       {files: join(devkit(""), m{"ImageSets/Main/train.txt": "0\n1\n2\n", "ImageSets/Main/val.txt": "3\n"}), splits: "train 3/6, val 1/2", problem: "image_in_no_list"},
		"lists with suffixes and folders":     {files: join(devkit(""), m{"ImageSets/Main/train.txt": "JPEGImages/0.jpg\nJPEGImages/1.jpg\n./JPEGImages/4.jpg\n", "ImageSets/Main/val.txt": `D:\voc\JPEGImages\2.jpg` + "\r\nJPEGImages\\3.jpg\r\n"}), splits: "train 3/6, val 2/4"},
		"trainval and test":                   {files: join(devkit(""), m{"ImageSets/Main/trainval.txt": lines("%d", 0, 4), "ImageSets/Main/test.txt": "4\n"}), splits: "train 3/6, val 1/2, test 1/2"},
		"images/ and annotations/":            {files: vocSet(5, "images/%d.jpg", "annotations/%d.xml", catAndDog...), splits: "train 4/8, val 1/2"},
		"Kaggle's annotations/xmls":           {files: vocSet(5, "images/%d.jpg", "annotations/xmls/%d.xml", catAndDog...), splits: "train 4/8, val 1/2"},
		"XML beside the image, as LabelImg":   {files: vocSet(5, "photos/%d.jpg", "photos/%d.xml", catAndDog...), splits: "train 4/8, val 1/2"},
		"Roboflow's split folders":            {files: join(vocSet(4, "train/t%d.jpg", "train/t%d.xml", catAndDog...), vocSet(2, "valid/v%d.jpg", "valid/v%d.xml", catAndDog...)), splits: "train 4/8, val 2/4"},
		"split folders with equal names":      {files: join(vocSet(4, "Train/JPEGImages/%d.jpg", "Train/Annotations/%d.xml", catAndDog...), vocSet(2, "Test/JPEGImages/%d.jpg", "Test/Annotations/%d.xml", catAndDog...), vocSet(2, "Val/JPEGImages/%d.jpg", "Val/Annotations/%d.xml", catAndDog...)), splits: "train 4/8, val 2/4, test 2/4"},
		"splits below images and annotations": {files: join(vocSet(4, "images/train/%d.jpg", "annotations/train/%d.xml", catAndDog...), vocSet(2, "images/val/%d.jpg", "annotations/val/%d.xml", catAndDog...)), splits: "train 4/8, val 2/4"},
		"CVAT's labelmap.txt":                 {files: join(devkit(""), m{"labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:128,0,0::\ncat:0,128,0::\n", "ImageSets/Main/default.txt": lines("%d", 0, 5)}), splits: "train 4/8, val 1/2", classes: "dog,cat"},
		"LabelImg's predefined classes":       {files: join(devkit(""), m{"predefined_classes.txt": "\ufeffdog\r\ncat\r\nbird\r\n"}), splits: "train 4/8, val 1/2", classes: "dog,cat,bird"},
		"a class that the list lacks":         {files: join(devkit(""), m{"classes.txt": "dog\n"}), splits: "train 4/8, val 1/2", classes: "dog,cat", problem: "class_not_listed"},
		"UTF-16": {files: func() m {
			files := m{}
			for i := range 5 {
				files[fmt.Sprintf("JPEGImages/%d.jpg", i)] = jpegOf(64, 48)
				files[fmt.Sprintf("Annotations/%d.xml", i)] = utf16le(`<?xml version="1.0" encoding="utf-16"?>` + vocXML("x.jpg", catAndDog...))
			}
			return files
		}(), splits: "train 4/8, val 1/2", rows: catAndDogRows},
		"a BOM and a declaration": {files: func() m {
			files := vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml")
			for i := range 5 {
				files[fmt.Sprintf("Annotations/%d.xml", i)] = "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made by hand -->\n<!DOCTYPE annotation>\n" + vocXML("x.jpg", catAndDog...)
			}
			return files
		}(), splits: "train 4/8, val 1/2", rows: catAndDogRows},
		"names of before a renaming": {files: func() m {
			files := vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml")
			for i := range 5 {
				files[fmt.Sprintf("Annotations/%d.xml", i)] = vocXML(fmt.Sprintf(`C:\Users\me\IMG_%d.JPG`, i), catAndDog...)
			}
			return files
		}(), splits: "train 4/8, val 1/2"},
		"images named by filename only": {files: func() m {
			files := m{}
			for i := range 5 {
				files[fmt.Sprintf("pictures/IMG_%d.jpg", i)] = jpegOf(64, 48)
				files[fmt.Sprintf("xml/%05d.xml", i)] = vocXML(fmt.Sprintf("IMG_%d.jpg", i), catAndDog...)
			}
			return files
		}(), splits: "train 4/8, val 1/2"},
		"boxes of broken numbers":     {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", vocObject("cat", 16.4, 12.3, 48.4, 36.3)), splits: "train 4/4, val 1/1", classes: "cat", rows: "0 0.506250 0.506250 0.500000 0.500000\n"},
		"parts of an object are none": {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", strings.Replace(vocObject("person", 16, 12, 48, 36), "</object>", "<part><name>head</name><bndbox><xmin>20</xmin><ymin>13</ymin><xmax>30</xmax><ymax>20</ymax></bndbox></part></object>", 1)), splits: "train 4/4, val 1/1", classes: "person", rows: "0 0.500000 0.500000 0.500000 0.500000\n"},
		"difficult objects":           {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", strings.Replace(vocObject("cat", 16, 12, 48, 36), "<difficult>0", "<difficult>1", 1)), splits: "train 4/4, val 1/1", classes: "cat", problem: "difficult_objects"},
		"an image without objects":    {files: join(devkit(""), vocSet(1, "JPEGImages/empty%d.jpg", "Annotations/empty%d.xml")), splits: "train 4/8, val 2/2"},
		"an XML without an image":     {files: join(devkit(""), m{"Annotations/gone.xml": vocXML("gone.jpg", catAndDog...)}), splits: "train 4/8, val 1/2", problem: "label_without_image"},
		"an image without an XML":     {files: join(devkit(""), m{"JPEGImages/new.jpg": jpegOf(64, 48)}), splits: "train 4/8, val 1/2", problem: "unlisted_file"},
		"other XML beside it":         {files: join(devkit(""), m{"project.xml": "<project><annotation/></project>"}), splits: "train 4/8, val 1/2", rows: catAndDogRows},
		"roLabelImg's rotated boxes":  {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", "<object><type>robndbox</type><name>ship</name><robndbox><cx>32</cx><cy>24</cy><w>24</w><h>32</h><angle>1.5707963267948966</angle></robndbox></object>"), splits: "train 4/4, val 1/1", classes: "ship", rows: "0 0.500000 0.500000 0.500000 0.500000\n", problem: "rotated_boxes"},
		"rotated boxes that stay so": {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", "<object><name>ship</name><robndbox><cx>32</cx><cy>24</cy><w>24</w><h>32</h><angle>1.5707963267948966</angle></robndbox></object>"),
			task: contract.TaskInstanceSegmentation, splits: "train 4/4, val 1/1", classes: "ship", rows: "0 0.750000 0.250000 0.750000 0.750000 0.250000 0.750000 0.250000 0.250000\n"},
		"CVAT's rotation": {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", cvatTurned), splits: "train 4/4, val 1/1", classes: "ship", rows: "0 0.500000 0.500000 0.500000 0.500000\n", problem: "rotated_boxes"},
		"CVAT's rotation that stays": {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", cvatTurned),
			task: contract.TaskInstanceSegmentation, splits: "train 4/4, val 1/1", classes: "ship", rows: "0 0.750000 0.250000 0.750000 0.750000 0.250000 0.750000 0.250000 0.250000\n"},
		"Roboflow's polygons":             {files: vocSet(5, "train/%d.jpg", "train/%d.xml", "<object><name>leaf</name><bndbox><xmin>0</xmin><xmax>32</xmax><ymin>0</ymin><ymax>24</ymax></bndbox><polygon><x1>0</x1><y1>0</y1><x2>32</x2><y2>0</y2><x3>32</x3><y3>24</y3></polygon></object>"), task: contract.TaskInstanceSegmentation, splits: "train 4/4, val 1/1", classes: "leaf", rows: "0 0.000000 0.000000 0.500000 0.000000 0.500000 0.500000\n"},
		"LabelMe's first, on the web":     {files: vocSet(5, "Images/%d.jpg", "Annotations/%d.xml", "<object><name>leaf</name><deleted>0</deleted><polygon><pt><x>0</x><y>0</y></pt><pt><x>32</x><y>0</y></pt><pt><x>32</x><y>24</y></pt></polygon></object><object><name>gone</name><deleted>1</deleted></object>"), task: contract.TaskInstanceSegmentation, splits: "train 4/4, val 1/1", classes: "leaf", rows: "0 0.000000 0.000000 0.500000 0.000000 0.500000 0.500000\n"},
		"capitals and a size of 0":        {files: vocSet(5, "JPEGImages/%d.JPG", "Annotations/%d.XML", catAndDog...), splits: "train 4/8, val 1/2", rows: catAndDogRows},
		"Korean names, decomposed here":   {files: vocSet(5, "JPEGImages/\u1100\u1169%d.jpg", "Annotations/\uace0%d.xml", catAndDog...), splits: "train 4/8, val 1/2"},
		"classes with their own spelling": {files: vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", vocObject(" 1.10 ", 16, 12, 48, 36), vocObject("no", 0, 0, 32, 24)), splits: "train 4/8, val 1/2", classes: "1.10,no"},
	} {
		t.Run(name, func(t *testing.T) { w.check(t, "voc") })
	}
}

func utf16le(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return out
}

// refused checks that a dataset is refused in words.
func refused(t *testing.T, files m, task contract.TaskType, words ...string) {
	t.Helper()
	_, err := converters.Prepare(t.Context(), request(t, folder(t, files), task, contract.ResolveFormat(contract.FrameworkUltralytics, task)))
	f := contract.AsFailure(err)
	if f == nil || f.Code != contract.CodeDatasetInvalid || f.Hint == "" || strings.Contains(f.Message, "\n") {
		t.Fatalf("error %v", err)
	}
	for _, word := range words {
		if !strings.Contains(f.Message+f.Hint, word) {
			t.Errorf("%q is not in %q, %q", word, f.Message, f.Hint)
		}
	}
}

func TestPascalVOCThatCannotBeReadIsNamed(t *testing.T) {
	good := vocSet(5, "JPEGImages/%d.jpg", "Annotations/%d.xml", catAndDog...)
	for name, c := range map[string]struct {
		files m
		words []string
	}{
		"broken XML":             {join(good, m{"Annotations/2.xml": "<annotation><object>"}), []string{"Annotations/2.xml", "XML"}},
		"a word for a number":    {join(good, m{"Annotations/2.xml": vocXML("2.jpg", strings.Replace(catAndDog[0], ">16<", ">left<", 1))}), []string{"Annotations/2.xml", "object 1", "bndbox"}},
		"NaN":                    {join(good, m{"Annotations/2.xml": vocXML("2.jpg", strings.Replace(catAndDog[0], ">16<", ">nan<", 1))}), []string{"Annotations/2.xml", "bndbox"}},
		"no name":                {join(good, m{"Annotations/2.xml": vocXML("2.jpg", vocObject("", 1, 2, 30, 40))}), []string{"Annotations/2.xml", "no name"}},
		"no geometry":            {join(good, m{"Annotations/2.xml": vocXML("2.jpg", "<object><name>cat</name></object>")}), []string{"Annotations/2.xml", "neither bndbox nor polygon"}},
		"two images of one name": {join(good, m{"a/7.jpg": jpegOf(64, 48), "b/7.jpg": jpegOf(64, 48), "Annotations/7.xml": vocXML("7.jpg", catAndDog...)}), []string{"a/7.jpg or b/7.jpg"}},
		"in two splits":          {join(good, m{"ImageSets/Main/train.txt": "0\n1\n2\n", "ImageSets/Main/val.txt": "2\n3\n"}), []string{"two splits", "2"}},
		"an entity bomb":         {join(good, m{"Annotations/2.xml": `<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><annotation><filename>&b;</filename></annotation>`}), []string{"Annotations/2.xml"}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.files, contract.TaskObjectDetection, c.words...) })
	}
	refused(t, good, contract.TaskImageClassification, "Pascal VOC", "one class for each image")
	refused(t, good, contract.TaskInstanceSegmentation, "no polygon")
}

// TestTwoLayoutsInOneFolderAreNamed, where nothing says which one is meant.
func TestTwoLayoutsInOneFolderAreNamed(t *testing.T) {
	voc := vocSet(5, "images/%d.jpg", "annotations/%d.xml", catAndDog...)
	yolo := m{}
	for i := range 5 {
		yolo[fmt.Sprintf("labels/%d.txt", i)] = goodRow
	}
	coco := m{"annotations/instances.json": m{"images": []any{m{"id": 1, "file_name": "0.jpg"}}, "categories": []any{m{"id": 1, "name": "cat"}}, "annotations": []any{}}}
	refused(t, join(voc, yolo), contract.TaskObjectDetection, "2 ways", "yolo", "voc (annotations/0.xml)")
	refused(t, join(voc, coco), contract.TaskObjectDetection, "2 ways", "coco (annotations/instances.json)", "voc (annotations/0.xml)")
	refused(t, join(voc, yolo, coco), contract.TaskObjectDetection, "3 ways")
	declared := join(voc, yolo, m{"data.yaml": "train: images\nval:\nnames: [cat]\n"})
	if p := prepare(t, request(t, folder(t, declared), contract.TaskObjectDetection, contract.FormatYOLO)); p.Source != "yolo" {
		t.Errorf("read as %s", p.Source)
	}
	if !slices.Equal(classNames(prepare(t, request(t, folder(t, voc), contract.TaskObjectDetection, contract.FormatYOLO))), []string{"cat", "dog"}) {
		t.Error("alone it is not read")
	}
}
