package tables

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// table is one file. Columns that it does not have are -1.
type table struct {
	name   string
	header []string // folded: lower case, without spaces and dashes
	titles []string // as they are written
	rows   [][]string
	first  int    // line of the first row
	joint  string // what separates the classes of an image in one cell
	image  int    // column of the image
	class  int    // column of the class
	hot    []int  // or the columns of the classes, of which one is 1
	sure   int    // column of Open Images' confidence: 0 says that it is not there
	split  int
	unread int      // column that may say the split, and is not understood
	images []string // of the rows
}

// What people call the columns, in the order in which they count.
var (
	imageTitles = []string{"filename", "filepath", "imagepath", "path", "imagename", "imagefile", "image", "img", "imageid", "imgid", "file", "files", "images", "name", "id", "idcode", "fname", "photo", "picture"}
	classTitles = []string{"classname", "labelname", "class", "label", "category", "categoryname", "species", "breed", "classes", "labels", "target", "diagnosis", "disease", "dx", "type", "y", "classid", "labelid", "categoryid", "tag"}
	splitTitles = []string{"split", "subset", "partition", "set", "phase", "dataset", "datasplit", "usage"}
	foldTitles  = []string{"fold", "folds", "kfold", "foldid", "cvfold", "isvalid", "isval", "isvalidation", "istest", "istrain", "istraining", "istrainingimage"}
	boxTitles   = []string{"xmin", "bbox", "x1", "xmax", "ymin", "box", "polygon", "segmentation", "encodedpixels", "rle", "predictionstring"}
)

const maxRows = 5_000_000

// Rows are the rows of a table, its header among them.
func Rows(f *layout.Folder, name string) ([][]string, error) { return parse(f, name) }

// SplitColumn is the column of a table with a header that says the split of each
// row, or -1. Unread is the title of one that may say it in another way: with values
// that are no splits, or folds.
func SplitColumn(rows [][]string) (column int, unread string) {
	t := newTable("", rows)
	if t.unread >= 0 {
		unread = t.titles[t.unread]
	}
	return t.split, unread
}

func parse(f *layout.Folder, name string) ([][]string, error) {
	content, err := f.ReadText(name, maxTableBytes)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(content))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = comma(content), -1, true, false
	var rows [][]string
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		if len(rows) > maxRows {
			return nil, errors.New("too many rows")
		}
		rows = append(rows, row)
	}
}

// comma is what separates the columns of the first line.
func comma(content string) rune {
	line, _, _ := strings.Cut(content, "\n")
	best, most := ',', strings.Count(line, ",")
	for _, c := range []rune{';', '\t'} {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// open reads a table; nil for one of fewer than two columns.
func open(f *layout.Folder, name string) (*table, error) {
	rows, err := parse(f, name)
	if err != nil || len(rows) < 2 || len(rows[0]) < 2 {
		return nil, err
	}
	return newTable(name, rows), nil
}

// newTable takes the header off, if there is one: a first row with an image in it is
// none.
func newTable(name string, rows [][]string) *table {
	t := &table{name: name, image: -1, class: -1, sure: -1, split: -1, unread: -1}
	headless := slices.ContainsFunc(rows[0], images.IsImage)
	for i, title := range rows[0] {
		if headless {
			title = "column " + strconv.Itoa(i+1)
		}
		title = strings.TrimSpace(title)
		t.titles = append(t.titles, title)
		t.header = append(t.header, strings.NewReplacer(" ", "", "_", "", "-", "", ".", "").Replace(strings.ToLower(title)))
	}
	if t.rows, t.first = rows, 1; !headless {
		t.rows, t.first = rows[1:], 2
	}
	t.findSplit()
	return t
}

// findSplit takes a column of splits. One with other values among them says the split
// too, and so do folds: which images are for what is not known then.
func (t *table) findSplit() {
	is := func(v string) bool { return layout.OnlySplit(v) != "" }
	t.unread = t.column(foldTitles)
	at := t.column(splitTitles)
	switch {
	case at < 0:
	case t.all(at, is):
		t.split = at
	case slices.ContainsFunc(t.rows, func(r []string) bool { return is(t.cell(r, at)) }):
		t.unread = at
	}
}

func (t *table) cell(row []string, column int) string {
	if column < 0 || column >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[column])
}

// column is the first column of one of the titles, or -1.
func (t *table) column(titles []string) int {
	for _, title := range titles {
		if i := slices.Index(t.header, title); i >= 0 {
			return i
		}
	}
	return -1
}

// understand finds out what the columns are, and the images of the rows. It is
// false where they are not clear.
func (t *table) understand(pairs *layout.Pairs) (bool, error) {
	if t.column(boxTitles) >= 0 {
		return false, nil // of objects
	}
	t.sure = t.column([]string{"confidence"})
	unclear, ok := t.findImages(pairs)
	if !ok {
		return false, nil
	}
	t.findClasses()
	if t.class >= 0 {
		t.findJoint()
	}
	if t.class < 0 && len(t.hot) == 0 {
		return false, nil
	}
	if len(unclear) > 0 {
		return false, contract.Failf(contract.CodeDatasetInvalid, "%s says the class of images, and more than one file fits a name in it: %s.", t.name, strings.Join(unclear, " or ")).
			WithHint("Write the path of every image into %s, for example %s, or move every image into a folder that is called as its class.", t.name, unclear[0])
	}
	return true, nil
}

func (t *table) all(column int, is func(string) bool) bool {
	return !slices.ContainsFunc(t.rows, func(r []string) bool { return !is(t.cell(r, column)) })
}

// findImages picks the column with the images: by its title, else the only one
// whose values are called as images are. At least half of them have to be there.
// Unclear are files of which a value may mean either.
func (t *table) findImages(pairs *layout.Pairs) (unclear []string, ok bool) {
	columns := make([]int, 0, len(t.header))
	for _, title := range imageTitles {
		if i := slices.Index(t.header, title); i >= 0 {
			columns = append(columns, i)
		}
	}
	for i := range t.header {
		if !slices.Contains(columns, i) && t.all(i, images.IsImage) {
			columns = append(columns, i)
		}
	}
	for _, column := range columns {
		found, several, hits := t.resolve(pairs, column)
		if 2*hits >= len(t.rows) {
			t.image, t.images = column, found
			return several, true
		}
	}
	return nil, false
}

func (t *table) resolve(pairs *layout.Pairs, column int) (found, several []string, hits int) {
	found = make([]string, len(t.rows))
	dir := "."
	if at := strings.LastIndexByte(t.name, '/'); at >= 0 {
		dir = t.name[:at]
	}
	for i, r := range t.rows {
		image, others := pairs.Named(t.cell(r, column), dir)
		if found[i] = image; image != "" || len(others) > 0 {
			hits++
		}
		if len(others) > 1 && several == nil {
			several = others[:2]
		}
	}
	return found, several, hits
}

// findClasses picks the column of the class by its title; else the only other
// column, if values come again in it; else all others, if exactly one of them is 1
// in every row.
func (t *table) findClasses() {
	var others []int
	for i := range t.header {
		if i != t.image && i != t.split && i != t.unread && t.header[i] != "" && t.header[i] != "index" && t.header[i] != "unnamed:0" {
			others = append(others, i)
		}
	}
	if hot := t.oneHot(others); len(hot) > 1 {
		t.hot = hot
		return
	}
	for _, title := range classTitles {
		if i := slices.Index(t.header, title); i >= 0 && i != t.image && i != t.split && i != t.unread {
			t.class = i
			return
		}
	}
	if len(others) == 1 && t.repeats(others[0]) {
		t.class = others[0]
	}
}

// oneHot are the columns, if they are of zeros and ones and a row has one of them:
// nine of ten rows do, for images may have no class.
func (t *table) oneHot(columns []int) []int {
	if len(columns) < 2 {
		return nil
	}
	one := 0
	for _, r := range t.rows {
		sum := 0.0
		for _, c := range columns {
			v, err := strconv.ParseFloat(t.cell(r, c), 64)
			if err != nil || v != 0 && v != 1 {
				return nil
			}
			sum += v
		}
		if sum == 1 {
			one++
		}
	}
	if 10*one < 9*len(t.rows) {
		return nil
	}
	return columns
}

// joints are what separates several classes in a cell.
var joints = []string{"|", ";", ",", " "}

// findJoint tells whether cells of the class hold several: one of them stands alone
// in another row. Spaces and commas are in names too, so with these the column must
// be called labels, not label, and each of them stand alone.
func (t *table) findJoint() {
	many := strings.HasSuffix(t.header[t.class], "s")
	alone := make(map[string]bool)
	for _, r := range t.rows {
		alone[t.cell(r, t.class)] = true
	}
	for _, joint := range joints {
		for value := range alone {
			list := split(value, joint)
			n := 0
			for _, class := range list {
				if alone[class] {
					n++
				}
			}
			if len(list) > 1 && (many && n == len(list) || n > 0 && (joint == "|" || joint == ";")) {
				t.joint = joint
				return
			}
		}
	}
}

// parts are the classes in a cell.
func (t *table) parts(cell string) []string {
	if t.joint == "" && cell != "" {
		return []string{cell}
	}
	return split(cell, t.joint)
}

func split(cell, joint string) []string {
	var list []string
	for _, part := range strings.Split(cell, joint) {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(list, part) {
			list = append(list, part)
		}
	}
	return list
}

// repeats reports whether a column's values come again: classes do, measurements
// do not.
func (t *table) repeats(column int) bool {
	seen := make(map[string]bool)
	for _, r := range t.rows {
		seen[t.cell(r, column)] = true
	}
	return 2*len(seen) <= len(t.rows) && !seen[""]
}

// declared are the classes in the order of the columns, where they are columns.
func (t *table) declared() []string {
	list := make([]string, len(t.hot))
	for i, c := range t.hot {
		list[i] = t.titles[c]
	}
	return list
}

// classes are the classes of a row.
func (t *table) classes(row []string) []string {
	if t.sure >= 0 {
		if v, err := strconv.ParseFloat(t.cell(row, t.sure), 64); err == nil && v < 0.5 {
			return nil
		}
	}
	if t.class >= 0 {
		return t.parts(t.cell(row, t.class))
	}
	var list []string
	for _, c := range t.hot {
		if v, _ := strconv.ParseFloat(t.cell(row, c), 64); v == 1 {
			list = append(list, t.titles[c])
		}
	}
	return list
}
