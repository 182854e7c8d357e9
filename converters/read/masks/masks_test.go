package masks

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// picture is a mask given as rows of digits, of which x is 255.
func picture(rows string, kind string) image.Image {
	lines := strings.Fields(rows)
	b := image.Rect(0, 0, len(lines[0]), len(lines))
	palette := color.Palette{color.NRGBA{0, 0, 0, 255}, color.NRGBA{128, 0, 0, 255}, color.NRGBA{0, 128, 0, 255}}
	grey, index, rgb := image.NewGray(b), image.NewPaletted(b, palette), image.NewNRGBA(b)
	colours := map[rune]color.NRGBA{'0': palette[0].(color.NRGBA), '1': palette[1].(color.NRGBA), '2': palette[2].(color.NRGBA)}
	for y, line := range lines {
		for x, c := range line {
			v := uint8(255)
			if c != 'x' {
				v = uint8(c - '0')
			}
			grey.SetGray(x, y, color.Gray{Y: v})
			rgb.SetNRGBA(x, y, colours[c])
			if v < 3 {
				index.SetColorIndex(x, y, v)
			}
		}
	}
	return map[string]image.Image{"grey": grey, "palette": index, "rgb": rgb}[kind]
}

func write(t *testing.T, root, name string, im image.Image, text string) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if im != nil {
		err = png.Encode(f, im)
	} else {
		_, err = f.WriteString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shown writes the objects of an image back into rows: a digit is a class, x what
// counts nowhere, a dot what nobody covers.
func shown(c *dataset.Catalog, at int) string {
	var rows [][]byte
	for _, i := range c.ObjectsOf(at) {
		o := c.Objects.At(int(i))
		for len(rows) < o.RLE.Height {
			rows = append(rows, []byte(strings.Repeat(".", o.RLE.Width)))
		}
		position := 0
		for k, n := range o.RLE.Counts {
			for p := position; p < position+int(n) && k%2 == 1; p++ {
				rows[p%o.RLE.Height][p/o.RLE.Height] = map[bool]byte{true: 'x', false: byte('0' + o.Class)}[o.Crowd]
			}
			position += int(n)
		}
		if position != o.RLE.Height*o.RLE.Width {
			return "runs do not cover the mask"
		}
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, string(row))
	}
	return strings.Join(lines, " ")
}

func TestAPixelsValueIsItsClass(t *testing.T) {
	const rows = "0011 0221 xx21"
	for name, c := range map[string]struct {
		rows, kind, mask string
		files            map[string]string
		classes, pixels  string
	}{
		"a list with the background":        {rows, "grey", "masks/train/a.png", map[string]string{"classes.txt": "background\ncat\ndog\n"}, "cat dog", "..00 .110 xx10"},
		"LabelMe's list":                    {rows, "grey", "SegmentationClassPNG/a.png", map[string]string{"class_names.txt": "__ignore__\n_background_\ncat\ndog\n"}, "cat dog", "..00 .110 xx10"},
		"a list without the background":     {rows, "grey", "labels/a_mask.png", map[string]string{"labels.txt": "cat\ndog\n"}, "cat dog", "..00 .110 xx10"},
		"a list in which 0 is a class":      {"0011 0111 0111", "grey", "masks/a.png", map[string]string{"classes.txt": "sky\nroad\n"}, "sky road", "0011 0111 0111"},
		"nothing is said":                   {rows, "grey", "masks/a.png", nil, "1 2", "..00 .110 xx10"},
		"a colour that cannot be read":      {"0011 0221 0021", "rgb", "SegmentationClass/a.png", map[string]string{"labelmap.txt": "background:0,0,0::\nbird:300,0,0::\ndog:0,128,0::\ncat:128,0,0::\n"}, "bird dog cat", "..22 .112 ..12"},
		"black and white":                   {"00xx 00xx", "grey", "masks/a.png", nil, "object", "..00 ..00"},
		"an index of a palette":             {"0011 0221 0021", "palette", "SegmentationClass/a.png", map[string]string{"classes.txt": "background\ncat\ndog\n"}, "cat dog", "..00 .110 ..10"},
		"a colour of CVAT's list":           {"0011 0221 0021", "rgb", "SegmentationClass/a.png", map[string]string{"labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:0,128,0::\ncat:128,0,0::\n"}, "dog cat", "..11 .001 ..01"},
		"a palette's colour of CVAT's list": {"0011 0221 0021", "palette", "SegmentationClass/a.png", map[string]string{"labelmap.txt": "background:0,0,0::\ndog:0,128,0::\ncat:128,0,0::\n"}, "dog cat", "..11 .001 ..01"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "images/a.png", picture("0000 0000", "grey"), "")
			write(t, root, c.mask, picture(c.rows, c.kind), "")
			for file, text := range c.files {
				write(t, root, file, nil, text)
			}
			catalog, problems := readAll(t, root)
			var classes []string
			for _, class := range catalog.Classes {
				classes = append(classes, class.Name)
			}
			if got := strings.Join(classes, " "); got != c.classes {
				t.Errorf("classes %q, want %q", got, c.classes)
			}
			if got := shown(catalog, 0); got != c.pixels {
				t.Errorf("pixels %q, want %q", got, c.pixels)
			}
			if problems.Fatal() {
				t.Errorf("problems: %+v", problems.Problems())
			}
		})
	}
}

func readAll(t *testing.T, root string) (*dataset.Catalog, *problem.List) {
	t.Helper()
	tree, err := images.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Recognise(layout.Open(tree, contract.TaskSemanticSegmentation))
	if err != nil || l == nil {
		t.Fatalf("%v %v", l, err)
	}
	problems := new(problem.List)
	c, err := l.Read(problems)
	if err != nil {
		t.Fatal(err)
	}
	return c, problems
}

func TestWhatAMaskCannotSayRefusesTheDataset(t *testing.T) {
	for name, c := range map[string]struct {
		rows, kind, list string
		says             string
	}{
		"colours without a list":   {"0012", "rgb", "", "no labelmap.txt says which class each is"},
		"a value behind the list":  {"0125", "grey", "background\ncat\ndog\n", "value 5; the list has 3 classes"},
		"smoothed edges":           {"0123456789" + strings.Repeat(" 00000xxxxx", 9), "grey", "", "smoothed edges (9 values between)"},
		"white of two classes":     {"00xx", "grey", "cat\ndog\n", "which of the 2 classes of the list is white"},
		"a mask without its image": {"0012", "", "", "masks/a.png"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "images/b.png", picture("0000", "grey"), "")
			write(t, root, "masks/b.png", picture("0012", "grey"), "")
			if c.kind != "" {
				write(t, root, "images/a.png", picture("0000", "grey"), "")
				write(t, root, "masks/b.png", picture(c.rows, c.kind), "")
			}
			write(t, root, "masks/a.png", picture(c.rows, map[bool]string{true: "grey", false: c.kind}[c.kind == ""]), "")
			if c.list != "" {
				write(t, root, "classes.txt", nil, c.list)
			}
			_, problems := readAll(t, root)
			var said []string
			for _, p := range problems.Problems() {
				said = append(said, p.Message+": "+strings.Join(p.Examples, ", "))
			}
			if !strings.Contains(strings.Join(said, "\n"), c.says) {
				t.Errorf("said %q", said)
			}
		})
	}
}

// TestMasksBeyondWhatFitsAreNotDecoded: it is too late to count when all are in memory.
func TestMasksBeyondWhatFitsAreNotDecoded(t *testing.T) {
	before := maxRuns
	maxRuns = 3
	t.Cleanup(func() { maxRuns = before })
	root := t.TempDir()
	write(t, root, "masks/a.png", picture("0011 1100", "grey"), "")
	tree, err := images.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	files := slices.Repeat([]string{"masks/a.png"}, 10_000)
	got, err := decodeAll(layout.Open(tree, contract.TaskSemanticSegmentation), files, false, new(problem.List))
	if f := contract.AsFailure(err); f == nil || f.Code != contract.CodeDatasetTooLarge || got != nil {
		t.Errorf("%v", err)
	}
}

func TestTheListsOfVOCGiveTheSplits(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		write(t, root, "JPEGImages/"+name+".png", picture("0000", "grey"), "")
		write(t, root, "SegmentationClass/"+name+".png", picture("0011", "palette"), "")
	}
	write(t, root, "Annotations/a.xml", nil, "<annotation><object/></annotation>")
	write(t, root, "ImageSets/Segmentation/train.txt", nil, "a\n")
	write(t, root, "ImageSets/Segmentation/val.txt", nil, "b\n")
	c, problems := readAll(t, root)
	if len(c.Images) != 2 || c.Images[0].Split != contract.SplitTrain || c.Images[1].Split != contract.SplitVal {
		t.Errorf("%+v", c.Images)
	}
	if list := problems.Problems(); len(list) == 0 || list[0].Code != problem.ImageInNoList.Code {
		t.Errorf("%+v", list)
	}
}

func FuzzLabelMap(f *testing.F) {
	f.Add("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\n")
	f.Add("a:b\n:\n:1,2,300:")
	f.Fuzz(func(t *testing.T, text string) {
		n := labelMap(text)
		if n.colours != nil && len(n.colours) > len(n.list) {
			t.Errorf("%d colours of %d names", len(n.colours), len(n.list))
		}
	})
}
