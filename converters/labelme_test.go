package converters_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// shape is one of LabelMe's.
func labelmeShape(label any, kind string, points ...float64) m {
	list := [][]float64{}
	for i := 0; i < len(points); i += 2 {
		list = append(list, points[i:i+2])
	}
	return m{"label": label, "points": list, "group_id": nil, "description": "", "shape_type": kind, "flags": m{}}
}

func withKey(shape m, key string, value any) m {
	out := join(shape)
	if out[key] = value; value == nil {
		delete(out, key)
	}
	return out
}

// labelmeFile is a file of the current version.
func labelmeFile(imagePath string, shapes ...m) m {
	return m{"version": "5.5.0", "flags": m{}, "shapes": append([]m{}, shapes...), "imagePath": imagePath, "imageData": "aGVsbG8=", "imageHeight": 48, "imageWidth": 64}
}

func labelmeSet(n int, image, annotation, imagePath string, shapes ...m) m {
	files := m{}
	for i := range n {
		files[fmt.Sprintf(image, i)] = jpegOf(64, 48)
		files[fmt.Sprintf(annotation, i)] = labelmeFile(fmt.Sprintf(imagePath, i), shapes...)
	}
	return files
}

// old is a file as LabelMe wrote it before shapes had a type.
func old(imagePath string, shapes ...m) m {
	for i := range shapes {
		shapes[i] = m{"label": shapes[i]["label"], "line_color": nil, "fill_color": nil, "points": shapes[i]["points"]}
	}
	return m{"shapes": shapes, "lineColor": []int{0, 255, 0, 128}, "fillColor": []int{255, 0, 0, 128}, "imagePath": imagePath, "imageData": "aGVsbG8="}
}

func TestLabelMe(t *testing.T) {
	dogBox, catBox := labelmeShape("dog", "rectangle", 16, 12, 48, 36), labelmeShape("cat", "rectangle", 32, 24, 0, 0)
	triangle := labelmeShape("leaf", "polygon", 0, 0, 32, 0, 32, 24)
	const triangleBox, triangleRow = "0 0.250000 0.250000 0.500000 0.500000\n", "0 0.000000 0.000000 0.500000 0.000000 0.500000 0.500000\n"
	segment := contract.TaskInstanceSegmentation
	each := func(of func(i int) any) m {
		files := m{}
		for i := range 5 {
			files[fmt.Sprintf("%d.jpg", i)], files[fmt.Sprintf("%d.json", i)] = jpegOf(64, 48), of(i)
		}
		return files
	}
	flat := func(shapes ...m) m { return labelmeSet(5, "%d.jpg", "%d.json", "%d.jpg", shapes...) }
	five, one := "train 4/8, val 1/2", "train 4/4, val 1/1"
	for name, w := range map[string]wanted{
		"rectangles beside their images": {files: flat(dogBox, catBox), splits: five, rows: catAndDogRows},
		"polygons as boxes":              {files: flat(triangle), splits: one, classes: "leaf", rows: triangleBox},
		"polygons":                       {files: flat(triangle), task: segment, splits: one, classes: "leaf", rows: triangleRow},
		"rectangles among polygons":      {files: flat(triangle, labelmeShape("leaf", "rectangle", 40, 30, 60, 40)), task: segment, splits: "train 4/8, val 1/2", classes: "leaf"},
		"the first versions":             {files: each(func(i int) any { return old(fmt.Sprintf("%d.jpg", i), triangle) }), task: segment, splits: one, classes: "leaf", rows: triangleRow},
		"the first versions, as boxes":   {files: each(func(i int) any { return old(fmt.Sprintf("%d.jpg", i), triangle) }), splits: one, classes: "leaf", rows: triangleBox},
		"X-AnyLabeling's rectangles":     {files: flat(labelmeShape("dog", "rectangle", 16, 12, 48, 12, 48, 36, 16, 36), catBox), splits: five, rows: catAndDogRows},
		"X-AnyLabeling's rotations":      {files: flat(withKey(labelmeShape("ship", "rotation", 32, 0, 64, 24, 32, 48, 0, 24), "direction", 0.78)), splits: one, classes: "ship", rows: "0 0.500000 0.500000 1.000000 1.000000\n", problem: "rotated_boxes"},
		"images in a folder beside":      {files: labelmeSet(5, "images/%d.jpg", "json/%d.json", `..\images\%d.jpg`, dogBox, catBox), splits: five, rows: catAndDogRows},
		"paths of another machine":       {files: labelmeSet(5, "images/%d.jpg", "labels/%d.json", `D:\work\images\%d.jpg`, dogBox, catBox), splits: five},
		"names of imagePath only":        {files: labelmeSet(5, "pictures/IMG_%d.jpg", "a/%05d.json", "IMG_%d.jpg", dogBox, catBox), splits: five},
		"split folders":                  {files: join(labelmeSet(4, "train/%d.jpg", "train/%d.json", "%d.jpg", dogBox, catBox), labelmeSet(2, "val/%d.jpg", "val/%d.json", "%d.jpg", dogBox, catBox)), splits: "train 4/8, val 2/4"},
		"labels.txt":                     {files: join(flat(dogBox, catBox), m{"labels.txt": "__ignore__\n_background_\ndog\ncat\n"}), splits: five, classes: "dog,cat"},
		"what is to be ignored":          {files: flat(dogBox, catBox, labelmeShape("__ignore__", "rectangle", 1, 1, 9, 9)), splits: five, rows: catAndDogRows},
		"numbers as labels":              {files: flat(labelmeShape(10, "rectangle", 16, 12, 48, 36), labelmeShape(9, "rectangle", 0, 0, 32, 24)), splits: five, classes: "9,10", rows: catAndDogRows},
		"parts of one object":            {files: flat(withKey(triangle, "group_id", 1), withKey(labelmeShape("leaf", "polygon", 40, 30, 60, 30, 60, 40), "group_id", 1)), task: segment, splits: one, classes: "leaf"},
		"groups of two objects":          {files: flat(withKey(triangle, "group_id", 1), withKey(triangle, "group_id", 2), withKey(labelmeShape("other", "polygon", 40, 30, 60, 30, 60, 40), "group_id", 1)), task: segment, splits: "train 4/8, val 1/2", classes: "leaf,other"},
		"circles":                        {files: flat(labelmeShape("coin", "circle", 32, 24, 48, 24)), splits: one, classes: "coin", rows: "0 0.500000 0.500000 0.500000 0.666667\n", problem: "circle_as_polygon"},
		"points and lines":               {files: flat(dogBox, catBox, labelmeShape("cat", "point", 3, 3), labelmeShape("cat", "linestrip", 3, 3, 9, 9, 12, 3), labelmeShape("road", "line", 0, 0, 64, 48)), splits: five, rows: catAndDogRows, problem: "shape_left_out"},
		"masks":                          {files: flat(withKey(labelmeShape("blob", "mask", 16, 12, 47, 35), "mask", maskOf(32, 24))), splits: one, classes: "blob", rows: "0 0.500000 0.500000 0.500000 0.500000\n"},
		"masks as outlines":              {files: flat(withKey(labelmeShape("blob", "mask", 16, 12, 47, 35), "mask", maskOf(32, 24))), task: segment, splits: one, classes: "blob"},
		"no shapes":                      {files: join(flat(dogBox, catBox), labelmeSet(1, "empty%d.jpg", "empty%d.json", "empty%d.jpg")), splits: "train 4/8, val 2/2"},
		"no size":                        {files: each(func(i int) any { return m{"shapes": []m{dogBox, catBox}, "imagePath": "x.jpg", "imageData": nil} }), splits: five, rows: catAndDogRows},
		"UTF-16":                         {files: each(func(i int) any { return utf16le(text(labelmeFile("x.jpg", dogBox, catBox))) }), splits: five, rows: catAndDogRows},
		"a BOM":                          {files: each(func(i int) any { return "\ufeff" + text(labelmeFile("x.jpg", dogBox, catBox)) }), splits: five, rows: catAndDogRows},
		"a JSON of something else":       {files: join(flat(dogBox, catBox), m{"0_settings.json": m{"theme": "dark"}, "notes.json": []any{1, 2}}), splits: five, rows: catAndDogRows},
		"a JSON without an image":        {files: join(flat(dogBox, catBox), m{"gone.json": labelmeFile("gone.jpg", dogBox)}), splits: five, problem: "label_without_image"},
		"an image without a JSON":        {files: join(flat(dogBox, catBox), m{"new.jpg": jpegOf(64, 48)}), splits: five, problem: "unlisted_file"},
	} {
		t.Run(name, func(t *testing.T) { w.check(t, "labelme") })
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// maskOf is a PNG of w × h white pixels, in base64.
func maskOf(w, h int) string {
	im := image.NewGray(image.Rect(0, 0, w, h))
	for i := range im.Pix {
		im.Pix[i] = 255
	}
	var out bytes.Buffer
	_ = png.Encode(&out, im)
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestLabelMeThatCannotBeReadIsNamed(t *testing.T) {
	good := labelmeSet(5, "%d.jpg", "%d.json", "%d.jpg", labelmeShape("dog", "rectangle", 16, 12, 48, 36))
	broken := func(shape m) m { return join(good, m{"2.json": labelmeFile("2.jpg", shape)}) }
	for name, c := range map[string]struct {
		files m
		word  string
	}{
		"broken JSON":             {join(good, m{"2.json": `{"imagePath": "2.jpg", "shapes": [{"label": }]}`}), "2.json: reading JSON"},
		"cut off before shapes":   {join(good, m{"2.json": `{"version": "5.4.1", "flags": {`}), "2.json: unexpected end"},
		"cut off among shapes":    {join(good, m{"2.json": `{"shapes": [{"label": "dog", "points": [[1, 2`}), "2.json: unexpected end"},
		"an empty file":           {join(good, m{"2.json": ""}), "2.json: it is empty"},
		"a polygon of two points": {broken(labelmeShape("dog", "polygon", 1, 2, 3, 4)), "2.json, shape 1 is a polygon of 2 points"},
		"a rectangle of three":    {broken(labelmeShape("dog", "rectangle", 1, 2, 3, 4, 5, 6)), "2.json, shape 1 is a rectangle of 3 points"},
		"a circle of three":       {broken(labelmeShape("dog", "circle", 1, 2, 3, 4, 5, 6)), "2.json, shape 1 is a circle of 3 points"},
		"no label":                {broken(labelmeShape(nil, "rectangle", 1, 2, 30, 40)), "2.json, shape 1 has no label"},
		"a point of one number":   {broken(withKey(labelmeShape("dog", "polygon"), "points", [][]float64{{1, 2}, {3}, {4, 5}})), "2.json, shape 1 has a point"},
		"a mask that is none":     {broken(withKey(labelmeShape("dog", "mask", 1, 2, 3, 4), "mask", "aGVsbG8=")), "2.json, shape 1 has a mask that is no PNG"},
		"text for points":         {broken(withKey(labelmeShape("dog", "polygon"), "points", "none")), "2.json: reading JSON"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.files, contract.TaskObjectDetection, c.word) })
	}
	refused(t, good, contract.TaskImageClassification, "LabelMe", "one class for each image")
}
