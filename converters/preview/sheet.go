// Package preview draws a contact sheet of a prepared dataset: some images with
// the boxes, polygons, keypoints or classes that a framework would read.
//
// It promises to draw from the written labels, read back by the framework's own
// rules, so that a label that does not fit is seen at a glance. It leaves
// judging the labels to the person who looks.
package preview

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/read"
)

const (
	tile    = 320 // pixels, both sides of an image on the sheet
	caption = 18  // pixels below it
	margin  = 6
	columns = 4
)

// MaxImages bounds a sheet.
const MaxImages = 400

// Write draws n images of the prepared folder dir as PNG.
func Write(ctx context.Context, out io.Writer, dir string, task contract.TaskType, n int) error {
	folder := images.Open(dir)
	tree, err := folder.Tree()
	if err != nil {
		return err
	}
	layout, err := read.Recognise(tree, task)
	if err != nil {
		return err
	}
	if layout == nil {
		return contract.Failf(contract.CodeDatasetInvalid, "%s is not a prepared dataset for %s.", dir, task)
	}
	problems := new(problem.List)
	c, err := layout.Read(problems)
	if err != nil {
		return err
	}
	files, err := folder.Find(ctx, c, problems, nil)
	if err != nil {
		return err
	}
	picked := pick(c, files, min(n, MaxImages))
	if len(picked) == 0 {
		return contract.Failf(contract.CodeDatasetInvalid, "%s has no image to show.", dir)
	}
	p := painter{c: c, files: files, rules: labels.NewRules(c, task, true, images.Frames(files), problems), problems: problems}
	sheet := image.NewRGBA(image.Rect(0, 0, columns*(tile+margin)+margin, rows(len(picked))*(tile+caption+margin)+margin))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(color.RGBA{24, 26, 30, 255}), image.Point{}, draw.Src)
	for k, i := range picked {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := image.Pt(margin+k%columns*(tile+margin), margin+k/columns*(tile+caption+margin))
		p.paint(sheet, at, i)
	}
	return png.Encode(out, sheet)
}

func rows(n int) int { return (n + columns - 1) / columns }

// pick spreads n images evenly over those that have something to show.
func pick(c *dataset.Catalog, files []images.File, n int) []int {
	var labelled, plain []int
	for i := range c.Images {
		switch {
		case files[i].Path == "":
		case c.Images[i].Label >= 0 || len(c.ObjectsOf(i)) > 0:
			labelled = append(labelled, i)
		default:
			plain = append(plain, i)
		}
	}
	all := labelled
	if len(all) < n {
		all = append(all, plain...)
	}
	if len(all) <= n {
		return all
	}
	picked := make([]int, n)
	for k := range picked {
		picked[k] = all[k*len(all)/n]
	}
	return picked
}

type painter struct {
	c        *dataset.Catalog
	files    []images.File
	rules    labels.Rules
	problems *problem.List
}

// paint draws one image with its labels and caption at a place of the sheet.
func (p *painter) paint(sheet *image.RGBA, at image.Point, i int) {
	f, im := p.files[i], p.c.Images[i]
	scale := min(float64(tile)/float64(f.Width), float64(tile)/float64(f.Height))
	area := image.Rect(0, 0, max(1, int(float64(f.Width)*scale)), max(1, int(float64(f.Height)*scale))).Add(at)
	if picture, err := imagefile.Decode(f.Path); err == nil {
		xdraw.ApproxBiLinear.Scale(sheet, area, picture, picture.Bounds(), draw.Src, nil)
	} else {
		draw.Draw(sheet, area, image.NewUniform(color.RGBA{60, 60, 60, 255}), image.Point{}, draw.Src)
	}
	pen := canvas{sheet, area, scale}
	title := string(im.Split) + " " + im.File
	if im.Label >= 0 {
		title = p.name(int(im.Label)) + "  " + title
		pen.frame(Color(int(im.Label)))
	}
	for _, o := range p.rules.Clean(nil, p.c, i, f.Width, f.Height, p.problems) {
		pen.object(o, p.name(o.Class))
	}
	text(sheet, at.X, at.Y+tile+caption-5, title, tile/7, color.RGBA{220, 220, 220, 255})
}

// name is the class as the small font can show it: its number, and its name
// where that is ASCII.
func (p *painter) name(class int) string {
	name := p.c.Classes[class].Name
	for _, r := range name {
		if r < ' ' || r > '~' {
			return fmt.Sprint("#", class)
		}
	}
	return fmt.Sprint(class, " ", name)
}

func text(dst draw.Image, x, y int, s string, limit int, c color.Color) {
	if len(s) > limit {
		s = s[:limit]
	}
	draw.Draw(dst, image.Rect(x-1, y-11, x+7*len(s)+1, y+3), image.NewUniform(color.RGBA{0, 0, 0, 170}), image.Point{}, draw.Over)
	d := font.Drawer{Dst: dst, Src: image.NewUniform(c), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(s)
}
