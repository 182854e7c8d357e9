package converters_test

import (
	"fmt"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func pictures(n int, format string) m {
	files := m{}
	for i := range n {
		files[fmt.Sprintf(format, i)] = jpegOf(32, 32)
	}
	return files
}

// rows is a table: a header, and a line for each number.
func rows(header string, n int, line func(i int) string) string {
	out := header + "\n"
	for i := range n {
		out += line(i) + "\n"
	}
	return out
}

var petOf = func(i int) string { return []string{"cat", "dog"}[i%2] }

func TestTablesOfClasses(t *testing.T) {
	pets := func(image string) func(i int) string {
		return func(i int) string { return fmt.Sprintf(image, i) + "," + petOf(i) }
	}
	hot := func(i int) string { return fmt.Sprintf("%d.jpg, %d, %d", i, (i+1)%2, i%2) }
	half := "train 8/8, val 2/2"
	for name, w := range map[string]wanted{
		"image_id and label":        {files: join(pictures(10, "train_images/%d.jpg"), m{"train.csv": rows("image_id,label", 10, pets("%d.jpg"))}), splits: half},
		"ids without a suffix":      {files: join(pictures(10, "train/img%d.jpg"), m{"train.csv": rows("id,breed", 10, pets("img%d"))}), splits: half},
		"paths":                     {files: join(pictures(10, "data/images/%d.jpg"), m{"labels.csv": rows("path,class", 10, pets("data/images/%d.jpg"))}), splits: half},
		"paths of Windows":          {files: join(pictures(10, "data/images/%d.jpg"), m{"labels.csv": rows("path,class", 10, pets(`C:\data\images\%d.jpg`))}), splits: half},
		"an index in front":         {files: join(pictures(10, "images/%d.jpg"), m{"labels.csv": rows(",filename,label", 10, func(i int) string { return fmt.Sprintf("%d,%d.jpg,%s", i, i, petOf(i)) })}), splits: half},
		"two columns of any name":   {files: join(pictures(10, "images/%d.jpg"), m{"data.csv": rows("Picture Name,What", 10, pets("%d.jpg"))}), splits: half},
		"semicolons":                {files: join(pictures(10, "images/%d.jpg"), m{"labels.csv": rows("filename;label", 10, func(i int) string { return fmt.Sprintf("%d.jpg;%s", i, petOf(i)) })}), splits: half},
		"tabs":                      {files: join(pictures(10, "images/%d.jpg"), m{"labels.tsv": rows("filename\tlabel", 10, func(i int) string { return fmt.Sprintf("%d.jpg\t%s", i, petOf(i)) })}), splits: half},
		"quotes, CRLF and a BOM":    {files: join(pictures(10, "images/%d.jpg"), m{"labels.csv": "\ufeff" + rows("\"filename\",\"label\"\r", 10, func(i int) string { return fmt.Sprintf("\"%d.jpg\",\"%s\"\r", i, petOf(i)) })}), splits: half},
		"UTF-16, as Excel saves it": {files: join(pictures(10, "images/%d.jpg"), m{"labels.csv": utf16le(rows("filename\tlabel", 10, func(i int) string { return fmt.Sprintf("%d.jpg\t%s", i, petOf(i)) }))}), splits: half},
		"a table for each split":    {files: join(pictures(8, "images/a%d.jpg"), pictures(4, "images/b%d.jpg"), m{"train.csv": rows("filename,label", 8, pets("a%d.jpg")), "val.csv": rows("filename,label", 4, pets("b%d.jpg"))}), splits: "train 8/8, val 4/4"},
		"a column of splits": {files: join(pictures(12, "images/%d.jpg"), m{"labels.csv": rows("filename,label,split", 12, func(i int) string {
			return fmt.Sprintf("%d.jpg,%s,%s", i, petOf(i), []string{"Train", "train", "val"}[i/4])
		})}), splits: "train 8/8, val 4/4"},
		"split folders of one table":    {files: join(pictures(8, "train/a%d.jpg"), pictures(4, "test/b%d.jpg"), m{"labels.csv": rows("filename,label", 8, pets("train/a%d.jpg")) + "test/b0.jpg,cat\ntest/b1.jpg,dog\ntest/b2.jpg,cat\ntest/b3.jpg,dog\n"}), splits: "train 6/6, val 2/2, test 4/4"},
		"Roboflow's one-hot tables":     {files: join(pictures(8, "train/%d.jpg"), pictures(4, "valid/%d.jpg"), m{"train/_classes.csv": rows("filename, dog, cat", 8, hot), "valid/_classes.csv": rows("filename, dog, cat", 4, hot)}), splits: "train 8/8, val 4/4", classes: "dog,cat"},
		"one-hot, as a competition":     {files: join(pictures(10, "images/Train_%d.jpg"), m{"train.csv": rows("image_id,healthy,rust", 10, func(i int) string { return fmt.Sprintf("Train_%d,%d,%d", i, (i+1)%2, i%2) })}), splits: half, classes: "healthy,rust"},
		"numbers as classes":            {files: join(pictures(12, "images/%d.jpg"), m{"train.csv": rows("image,label", 12, func(i int) string { return fmt.Sprintf("%d.jpg,%d", i, []int{10, 9}[i%2]) })}), classes: "9,10", splits: "train 9/9, val 3/3"},
		"names beside numbers":          {files: join(pictures(10, "images/%d.jpg"), m{"train.csv": rows("image,class_id,class_name", 10, func(i int) string { return fmt.Sprintf("%d.jpg,%d,%s", i, 1-i%2, petOf(i)) })}), splits: half},
		"a sample submission beside it": {files: join(pictures(10, "train_images/%d.jpg"), m{"train.csv": rows("image_id,label", 10, pets("%d.jpg")), "sample_submission.csv": "image_id,label\nx.jpg,cat\n"}), splits: half},
		"images for testing beside it":  {files: join(pictures(10, "train_images/a%d.jpg"), pictures(3, "test_images/b%d.jpg"), m{"train.csv": rows("image_id,label", 10, pets("a%d.jpg"))}), splits: half, problem: "unlisted_file"},
		"an image that is not there":    {files: join(pictures(10, "images/%d.jpg"), m{"labels.csv": rows("filename,label", 12, pets("%d.jpg"))}), splits: half, problem: "listed_image_missing"},
		"Open Images":                   {files: join(pictures(8, "train/00%d.jpg"), pictures(4, "validation/10%d.jpg"), m{"train-annotations-human-imagelabels.csv": rows("ImageID,Source,LabelName,Confidence", 8, func(i int) string { return fmt.Sprintf("00%d,verification,/m/0%d,1", i, i%2) }) + "000,verification,/m/01,0\n", "validation-annotations-human-imagelabels.csv": rows("ImageID,Source,LabelName,Confidence", 4, func(i int) string { return fmt.Sprintf("10%d,verification,/m/0%d,1", i, i%2) }), "class-descriptions.csv": "/m/00,cat\n/m/01,dog\n"}), splits: "train 8/8, val 4/4"},
		"classes as they are written":   {files: join(pictures(10, "images/%d.jpg"), m{"train.csv": rows("image,label", 10, func(i int) string { return fmt.Sprintf("%d.jpg,%s", i, []string{"1.10", "no"}[i%2]) })}), classes: "1.10,no", splits: half},
		"the same twice":                {files: join(pictures(10, "images/%d.jpg"), m{"train.csv": rows("image,label", 10, pets("%d.jpg")) + "0.jpg,cat\n"}), splits: half},
	} {
		w.task = contract.TaskImageClassification
		t.Run(name, func(t *testing.T) { w.check(t, "csv") })
	}
}

// TestFoldersAndATableThatSayTheSame: the folders are read.
func TestFoldersAndATableThatSayTheSame(t *testing.T) {
	files := join(pictures(5, "images/cat/c%d.jpg"), pictures(5, "images/dog/d%d.jpg"), m{"labels.csv": "file,label\nc0.jpg,cat\nc1.jpg,cat\nd0.jpg,dog\nd1.jpg,dog\n"})
	wanted{files: files, task: contract.TaskImageClassification, splits: "train 7/7, val 3/3"}.check(t, "imagefolder")
	files["labels.csv"] = "file,label\nc0.jpg,cat\nc1.jpg,dog\nd0.jpg,dog\nd1.jpg,cat\n"
	refused(t, files, contract.TaskImageClassification, "2 ways", "csv (labels.csv) and imagefolder")
}

// TestTablesThatAreNotClearRefuseTheDataset: nothing is guessed.
func TestTablesThatAreNotClearRefuseTheDataset(t *testing.T) {
	flat := pictures(8, "train_images/%d.jpg")
	pets := rows("image_id,label", 8, func(i int) string { return fmt.Sprintf("%d.jpg,%s", i, petOf(i)) })
	for name, c := range map[string]struct {
		files m
		words []string
	}{
		"two images of one name":      {join(flat, pictures(3, "test_images/%d.jpg"), m{"train.csv": pets}), []string{"train.csv", "train_images/0.jpg"}},
		"no column of classes":        {join(flat, m{"train.csv": rows("image_id,width,height", 8, func(i int) string { return fmt.Sprintf("%d.jpg,3%d,4%d", i, i, i) })}), []string{"train.csv"}},
		"measurements, not classes":   {join(flat, m{"train.csv": rows("image_id,weight", 8, func(i int) string { return fmt.Sprintf("%d.jpg,%d.5", i, i) })}), []string{"train.csv"}},
		"boxes":                       {join(flat, m{"train.csv": rows("image_id,class,xmin,ymin,xmax,ymax", 8, func(i int) string { return fmt.Sprintf("%d.jpg,cat,1,2,3,4", i) })}), []string{"train.csv"}},
		"none of the images is there": {join(flat, m{"train.csv": rows("image_id,label", 8, func(i int) string { return fmt.Sprintf("x%d.jpg,%s", i, petOf(i)) })}), []string{"train.csv"}},
		"several classes an image":    {join(flat, m{"train.csv": pets + "0.jpg,dog\n"}), []string{"more than one class"}},
		"in two splits":               {join(flat, m{"train.csv": pets, "val.csv": "image_id,label\n0.jpg,cat\n1.jpg,dog\n"}), []string{"two splits"}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.files, contract.TaskImageClassification, c.words...) })
	}
}
