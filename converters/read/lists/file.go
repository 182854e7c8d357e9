package lists

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
	"github.com/vision-platform/trainer-agent/converters/read/tables"
)

// listFile is one file that may say the split of images.
type listFile struct {
	*layout.Folder
	name   string
	used   *finder // images of the dataset
	others *finder // images on disk, of which some have no annotations
	votes  []vote
	lost   int    // lines that may mean an image and lead to none
	first  string // of these
	unread string // why it, or a part of it, is not understood
}

const maxListBytes = 256 << 20

// split is the one that the file's name says.
func (l *listFile) split() contract.Split {
	base := path.Base(l.name)
	s, _ := layout.SplitOfList(strings.TrimSuffix(base, path.Ext(base)))
	return s
}

// vote takes the first of some texts of a line that leads to an image.
func (l *listFile) vote(s contract.Split, texts ...string) {
	unclear := false
	for _, text := range texts {
		image, several := l.used.find(text)
		if image != "" {
			l.votes = append(l.votes, vote{image, s, l.name})
			return
		}
		unclear = unclear || several
	}
	if slices.ContainsFunc(texts, func(text string) bool { image, _ := l.others.find(text); return image != "" }) {
		return
	}
	if unclear || slices.ContainsFunc(texts, images.IsImage) || len(texts) == 1 && number(texts[0]) {
		l.lose(texts[max(0, slices.IndexFunc(texts, images.IsImage))])
	}
}

func (l *listFile) lose(text string) {
	if l.lost++; l.lost == 1 {
		l.first = text
	}
}

// leads reports whether a row has an image of the dataset in it.
func (l *listFile) leads(row []string) bool {
	return slices.ContainsFunc(row, func(cell string) bool { image, _ := l.used.find(cell); return image != "" })
}

// number reports a line that may be the place of an image in an order that is not
// known.
func number(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// lines reads one image a line: its path or name, which may have spaces, and
// perhaps numbers behind it.
func (l *listFile) lines() {
	text, err := l.ReadText(l.name, maxListBytes)
	if err != nil {
		l.unread = err.Error()
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		texts := []string{line}
		if cut := strings.LastIndexAny(line, " \t,;"); cut > 0 {
			first, _, _ := strings.Cut(strings.Map(blank, line), " ")
			texts = append(texts, line[:cut], first, line[cut+1:])
		}
		l.vote(l.split(), texts...)
	}
}

func blank(r rune) rune {
	if strings.ContainsRune("\t,;", r) {
		return ' '
	}
	return r
}

// table reads a table with a column of splits, or one that is called as its split.
func (l *listFile) table() {
	rows, err := tables.Rows(l.Folder, l.name)
	_, both := layout.SplitOfList(strings.TrimSuffix(path.Base(l.name), path.Ext(l.name)))
	named := l.split() != "" || both
	if err != nil && named {
		l.unread = err.Error()
	}
	if err != nil || len(rows) == 0 {
		return
	}
	column, unread := tables.SplitColumn(rows)
	if unread != "" && slices.ContainsFunc(rows, l.leads) {
		l.unread = "the column " + unread
	}
	if column < 0 && !named {
		return
	}
	for _, row := range rows {
		s := l.split()
		if column >= 0 && column < len(row) {
			if s = layout.OnlySplit(row[column]); s == "" {
				continue // the header
			}
		}
		l.vote(s, row...)
	}
}

// numbered reads CUB's train_test_split.txt: the number of an image and whether it
// is for training; images.txt beside it says which image has the number.
func (l *listFile) numbered() {
	names := make(map[string]string)
	l.pairs(path.Join(path.Dir(l.name), "images.txt"), func(number, name string) { names[number] = name })
	l.pairs(l.name, func(number, train string) {
		s := contract.SplitTest
		if train == "1" {
			s = contract.SplitTrain
		}
		if name := names[number]; name != "" && (train == "0" || train == "1") {
			l.vote(s, name)
		} else {
			l.lose(number + " " + train)
		}
	})
}

func (l *listFile) pairs(name string, take func(first, rest string)) {
	if !l.Has(name) {
		return
	}
	text, err := l.ReadText(name, maxListBytes)
	if err != nil {
		return
	}
	for line := range strings.Lines(text) {
		if first, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			take(first, strings.TrimSpace(rest))
		}
	}
}

const maxJSONBytes = 64 << 20

// json reads every text in a JSON file that is the path of an image; the split is
// that of the nearest key around it, else of the file's name.
func (l *listFile) json() {
	text, err := l.ReadText(l.name, maxJSONBytes)
	var content any
	if err == nil {
		err = json.Unmarshal([]byte(text), &content)
	}
	if err != nil {
		l.unread = err.Error()
		return
	}
	if several := folds(content); several != "" {
		l.unread = "it holds several splits: " + several
		return
	}
	l.walk(content, l.split(), true)
}

// folds names the keys of a file that have splits of their own, as those of a
// cross-validation: which of them is meant is not known.
func folds(content any) string {
	m, _ := content.(map[string]any)
	var found []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		inner, _ := m[key].(map[string]any)
		for word := range inner {
			if s := layout.OnlySplit(word); s == contract.SplitTrain && layout.OnlySplit(key) == "" {
				found = append(found, key)
				break
			}
		}
	}
	if len(found) < 2 {
		return ""
	}
	return strings.Join(found[:2], ", ")
}

// jsonButAnnotations leaves files of images with annotations to their layout.
func (l *listFile) jsonButAnnotations() {
	lists := 0
	_ = platform.Keys(l.Path(l.name), func(key string, value byte) bool {
		if value == '[' && (key == "images" || key == "annotations" || key == "categories" || key == "classes") {
			lists++
		}
		return lists < 2
	})
	if lists < 2 {
		l.json()
	}
}

// walk reads a value within the split s. A list of numbers may name images in it, but not
// one in an entry of another list, which is a box or a size of that entry's image.
func (l *listFile) walk(value any, s contract.Split, names bool) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			inner := layout.OnlySplit(key)
			l.walk(v[key], cmp.Or(inner, s), names || inner != "")
		}
	case []any:
		if s != "" && names && len(v) > 0 && !slices.ContainsFunc(v, func(x any) bool { _, is := x.(float64); return !is }) {
			for _, number := range v {
				l.lose(fmt.Sprint(number)) // an id, or a place in an order that is not known
			}
		}
		for _, inner := range v {
			l.walk(inner, s, false)
		}
	case string:
		if s != "" && (strings.Contains(v, "/") || images.IsImage(v)) {
			l.vote(s, v)
		}
	}
}
