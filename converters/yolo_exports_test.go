package converters_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/korean"

	"github.com/vision-platform/trainer-agent/contract"
)

// labelled is n images with a label file each.
func labelled(n int, image, label, row string) m {
	files := m{}
	for i := range n {
		files[fmt.Sprintf(image, i)], files[fmt.Sprintf(label, i)] = jpegOf(64, 48), row
	}
	return files
}

// TestYOLOExports: what the field's tools write, beside Ultralytics' own layout.
func TestYOLOExports(t *testing.T) {
	const row, other = "0 0.5 0.5 0.5 0.5\n", "1 0.5 0.5 0.5 0.5\n"
	cvat := func(subsets ...string) m {
		data := "classes = 2\nnames = data/obj.names\nbackup = backup/\n"
		files := m{"obj.names": "cat\ndog\n"}
		for _, s := range subsets {
			key := map[string]string{"valid": "valid"}[s]
			if key == "" {
				key = s
			}
			data += key + " = data/" + s + ".txt\n"
			files = join(files, labelled(4, "obj_"+s+"_data/"+s+"%d.jpg", "obj_"+s+"_data/"+s+"%d.txt", row+other),
				m{s + ".txt": lines("data/obj_"+s+"_data/"+s+"%d.jpg", 0, 4)})
		}
		files["obj.data"] = data
		return files
	}
	labelStudio := join(labelled(5, "images/%08x-IMG.jpg", "labels/%08x-IMG.txt", row+other),
		m{"classes.txt": "cat\ndog\n", "notes.json": m{"categories": []any{m{"id": 0, "name": "cat"}, m{"id": 1, "name": "dog"}}, "info": m{"year": 2024, "contributor": "Label Studio"}}})
	darknet := join(labelled(8, "data/img/%d.jpg", "data/img/%d.txt", row+other), m{
		"coco.data":       "classes= 2\r\ntrain  = /home/me/darknet/data/train.list\r\nvalid  = data/valid.list\r\nnames = data/my.names\r\n",
		"data/train.list": lines("/home/me/darknet/data/img/%d.jpg", 0, 6), "data/valid.list": lines("data/img/%d.jpg", 6, 8), "data/my.names": "\ufeffcat\r\ndog \r\n"})
	obb := "0 0.5 0.0 1.0 0.5 0.5 1.0 0.0 0.5\n"
	for name, w := range map[string]wanted{
		"CVAT YOLO 1.1":                       {files: cvat("train"), splits: "train 3/6, val 1/2"},
		"CVAT YOLO 1.1 with subsets":          {files: cvat("train", "valid"), splits: "train 4/8, val 4/8"},
		"CVAT YOLO 1.1 with three subsets":    {files: cvat("train", "valid", "test"), splits: "train 4/8, val 4/8, test 4/8"},
		"CVAT YOLO 1.1 with capitals":         {files: cvat("Train", "Validation"), splits: "train 4/8, val 4/8"},
		"CVAT YOLO 1.1 with Windows' paths":   {files: join(cvat("train"), m{"train.txt": lines(`data\obj_train_data\train%d.jpg`+"\r", 0, 4)}), splits: "train 3/6, val 1/2"},
		"CVAT YOLO 1.1 with names in UTF-16":  {files: join(cvat("train"), m{"obj.names": utf16le("cat\r\ndog\r\n")}), splits: "train 3/6, val 1/2"},
		"CVAT YOLO 1.1 without a backup line": {files: join(cvat("train", "valid"), m{"obj.data": "names=obj.names\n"}), splits: "train 4/8, val 4/8"},
		"CVAT YOLO 1.1 in a folder": {files: func() m {
			files := m{}
			for name, content := range cvat("train", "valid") {
				files["task_1/"+name] = content
			}
			return files
		}(), splits: "train 4/8, val 4/8"},
		"Label Studio's YOLO":         {files: labelStudio, splits: "train 4/8, val 1/2"},
		"Darknet's own":               {files: darknet, splits: "train 6/12, val 2/4"},
		"labelImg's YOLO":             {files: join(labelled(5, "%d.jpg", "%d.txt", row+other), m{"classes.txt": "cat\ndog\n"}), splits: "train 4/8, val 1/2"},
		"Roboflow's Darknet":          {files: join(labelled(4, "train/%d.jpg", "train/%d.txt", row+other), labelled(2, "valid/v%d.jpg", "valid/v%d.txt", row+other), m{"train/_darknet.labels": "cat\ndog\n", "valid/_darknet.labels": "cat\ndog\n"}), splits: "train 4/8, val 2/4"},
		"rotated boxes":               {files: join(labelled(5, "images/train/%d.jpg", "labels/train/%d.txt", obb), labelled(2, "images/val/v%d.jpg", "labels/val/v%d.txt", obb), m{"data.yaml": "train: images/train\nval: images/val\nnames: [ship]\n"}), splits: "train 5/5, val 2/2", classes: "ship", rows: "0 0.500000 0.500000 1.000000 1.000000\n", problem: "rotated_boxes"},
		"polygons in a detection job": {files: labelled(5, "images/%d.jpg", "labels/%d.txt", "0 0 0 1 0 1 1\n"), splits: "train 4/4, val 1/1", classes: "class 0", rows: "0 0.500000 0.500000 1.000000 1.000000\n"},
		"labels in UTF-16": {files: join(labelled(5, "images/%d.jpg", "labels/%d.txt", ""), func() m {
			files := m{"classes.txt": "cat\ndog\n"}
			for i := range 5 {
				files[fmt.Sprintf("labels/%d.txt", i)] = utf16le(row + other)
			}
			return files
		}()), splits: "train 4/8, val 1/2"},
		"labels with a BOM, CRLF and tabs":       {files: join(labelled(5, "images/%d.jpg", "labels/%d.txt", "\ufeff0\t.5\t.5\t.5\t.5\r\n1\t.5\t.5\t.5\t.5\r\n"), m{"classes.txt": "cat\ndog\n"}), splits: "train 4/8, val 1/2"},
		"names in Korean, as Notepad saved":      {files: join(labelled(5, "images/%d.jpg", "labels/%d.txt", row+other), m{"classes.txt": []byte("\xb0\xed\xbe\xe7\xc0\xcc\r\n\xb0\xad\xbe\xc6\xc1\xf6\r\n")}), splits: "train 4/8, val 1/2", classes: "고양이,강아지", problem: "text_in_code_page"},
		"names in Chinese, as Notepad saved":     {files: join(labelled(5, "images/%d.jpg", "labels/%d.txt", row+other), m{"classes.txt": []byte("\xc3\xa8\r\n\xb9\xb7\r\n")}), splits: "train 4/8, val 1/2", classes: "猫,狗", problem: "text_in_code_page"},
		"names in French, as Notepad saved":      {files: join(labelled(5, "images/%d.jpg", "labels/%d.txt", row+other), m{"classes.txt": []byte("caf\xe9\r\ngar\xe7on\r\n")}), splits: "train 4/8, val 1/2", classes: "café,garçon", problem: "text_in_code_page"},
		"data.yaml in UTF-16":                    {files: join(labelled(5, "images/train/%d.jpg", "labels/train/%d.txt", row+other), labelled(2, "images/val/v%d.jpg", "labels/val/v%d.txt", row+other), m{"data.yaml": utf16le("train: images/train\r\nval: images/val\r\nnames: [cat, dog]\r\n")}), splits: "train 5/10, val 2/4"},
		"data.yaml with a BOM":                   {files: join(labelled(5, "images/train/%d.jpg", "labels/train/%d.txt", row+other), labelled(2, "images/val/v%d.jpg", "labels/val/v%d.txt", row+other), m{"data.yaml": "\ufefftrain: images/train\nval: images/val\nnames: [cat, dog]\n"}), splits: "train 5/10, val 2/4"},
		"names that YAML takes for other things": {files: join(labelled(5, "images/train/%d.jpg", "labels/train/%d.txt", row+other), labelled(2, "images/val/v%d.jpg", "labels/val/v%d.txt", row+other), m{"data.yaml": "train: images/train\nval: images/val\nnames: {0: 1.10, 1: no, 2: 007, 3: 1e3, 4: 0x1F, 5: null_, 6: 12:30, 7: 2024-01-01, 8: ~x, 9: yes}\n"}), splits: "train 5/10, val 2/4", classes: "1.10,no,007,1e3,0x1F,null_,12:30,2024-01-01,~x,yes"},
	} {
		t.Run(name, func(t *testing.T) { w.check(t, "yolo") })
	}
}

// TestCOCOExports: BOM, UTF-16 and the names of Label Studio.
func TestCOCOExports(t *testing.T) {
	set := func(name func(i int) string) m {
		images, annotations := []any{}, []any{}
		for i := range 5 {
			images = append(images, m{"id": i, "file_name": name(i), "width": 64, "height": 48})
			annotations = append(annotations, m{"id": 2 * i, "image_id": i, "category_id": 1, "bbox": []int{16, 12, 32, 24}, "segmentation": []any{}, "area": 768, "iscrowd": 0, "ignore": 0}, m{"id": 2*i + 1, "image_id": i, "category_id": 0, "bbox": []int{0, 0, 32, 24}, "segmentation": []any{}, "area": 768, "iscrowd": 0, "ignore": 0})
		}
		return m{"images": images, "categories": []any{m{"id": 0, "name": "cat"}, m{"id": 1, "name": "dog"}}, "annotations": annotations, "info": m{"year": 2024, "version": "1.0", "contributor": "Label Studio"}}
	}
	pictures := func(format string) m {
		files := m{}
		for i := range 5 {
			files[fmt.Sprintf(format, i)] = jpegOf(64, 48)
		}
		return files
	}
	plain := func(i int) string { return fmt.Sprintf("images/%08x-IMG.jpg", i) }
	for name, files := range map[string]m{
		"Label Studio's COCO":                 join(pictures("images/%08x-IMG.jpg"), m{"result.json": set(plain)}),
		"Label Studio's, made on Windows":     join(pictures("images/%08x-IMG.jpg"), m{"result.json": set(func(i int) string { return strings.ReplaceAll(plain(i), "/", `\`) })}),
		"Label Studio's, names of its server": join(pictures("images/%08x-IMG.jpg"), m{"result.json": set(func(i int) string { return "/data/upload/1/" + fmt.Sprintf("%08x-IMG.jpg", i) })}),
		"with a BOM":                          join(pictures("images/%08x-IMG.jpg"), m{"result.json": "\ufeff" + text(set(plain))}),
		"in UTF-16":                           join(pictures("images/%08x-IMG.jpg"), m{"result.json": utf16le(text(set(plain)))}),
		"in cp949":                            join(pictures("images/%08x-IMG.jpg"), m{"result.json": cp949(text(set(plain)))}),
		"in UTF-16 without a mark":            join(pictures("images/%08x-IMG.jpg"), m{"result.json": utf16le(text(set(plain)))[2:]}),
	} {
		t.Run(name, func(t *testing.T) {
			w := wanted{files: files, splits: "train 4/8, val 1/2", rows: catAndDogRows}
			if name == "in cp949" {
				w.classes, w.problem = "고양이,강아지", "text_in_code_page"
			}
			w.check(t, "coco")
		})
	}
	files := join(pictures("images/%d.jpg"), m{"annotations.json": utf16le(text(set(func(i int) string { return fmt.Sprintf("%d.jpg", i) })))})
	wanted{files: files, splits: "train 4/8, val 1/2", rows: catAndDogRows}.check(t, "platform")
}

// TestRotatedBoxesAreNoNoteForSegmentation: there they are polygons.
func TestRotatedBoxesAreNoNoteForSegmentation(t *testing.T) {
	files := join(labelled(5, "images/%d.jpg", "labels/%d.txt", "0 0.5 0.0 1.0 0.5 0.5 1.0 0.0 0.5\n"), m{"classes.txt": "ship\n"})
	p := prepare(t, request(t, folder(t, files), contract.TaskInstanceSegmentation, contract.FormatYOLO))
	if find(p, "rotated_boxes").Count != 0 || splitSizes(p) != "train 4/4, val 1/1" {
		t.Errorf("%s %v", splitSizes(p), p.Problems)
	}
}

// cp949 is a file as an old Windows saves it, with Korean names of the classes.
func cp949(s string) []byte {
	s = strings.NewReplacer(`"cat"`, `"고양이"`, `"dog"`, `"강아지"`).Replace(s)
	out, err := korean.EUCKR.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return []byte(out)
}
