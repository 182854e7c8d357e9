package preview

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/vector"

	"github.com/vision-platform/trainer-agent/converters/labels"
)

// Color is the colour of a class: hues a golden angle apart, so neighbours in
// number differ most.
func Color(class int) color.RGBA {
	hue := math.Mod(float64(class)*0.61803398875, 1) * 6
	x := uint8(255 * (1 - math.Abs(math.Mod(hue, 2)-1)))
	switch int(hue) {
	case 0:
		return color.RGBA{255, x, 40, 255}
	case 1:
		return color.RGBA{x, 255, 40, 255}
	case 2:
		return color.RGBA{40, 255, x, 255}
	case 3:
		return color.RGBA{40, x, 255, 255}
	case 4:
		return color.RGBA{x, 40, 255, 255}
	}
	return color.RGBA{255, 40, x, 255}
}

// canvas draws in the pixels of one image onto its area of the sheet.
type canvas struct {
	sheet *image.RGBA
	area  image.Rectangle
	scale float64
}

func (c canvas) object(o labels.Object, name string) {
	ink := Color(o.Class)
	for _, r := range o.Rings {
		c.fill(r, color.RGBA{ink.R / 3, ink.G / 3, ink.B / 3, 85})
		for i := 0; i+1 < len(r); i += 2 {
			k := (i + 2) % len(r)
			c.line(r[i], r[i+1], r[k], r[k+1], ink)
		}
	}
	b := o.Box
	c.line(b[0], b[1], b[2], b[1], ink)
	c.line(b[2], b[1], b[2], b[3], ink)
	c.line(b[2], b[3], b[0], b[3], ink)
	c.line(b[0], b[3], b[0], b[1], ink)
	for i := 0; i+2 < len(o.Keypoints); i += 3 {
		if o.Keypoints[i+2] > 0 {
			c.dot(o.Keypoints[i], o.Keypoints[i+1], ink)
		}
	}
	x, y := c.at(b[0], b[1])
	text(c.sheet, x+2, max(y-2, c.area.Min.Y+11), name, 24, ink)
}

// frame draws a border for the class of a whole image.
func (c canvas) frame(ink color.RGBA) {
	for i := range 3 {
		r := c.area.Inset(i)
		for _, edge := range []image.Rectangle{
			{r.Min, image.Pt(r.Max.X, r.Min.Y+1)}, {image.Pt(r.Min.X, r.Max.Y-1), r.Max},
			{r.Min, image.Pt(r.Min.X+1, r.Max.Y)}, {image.Pt(r.Max.X-1, r.Min.Y), r.Max},
		} {
			draw.Draw(c.sheet, edge, image.NewUniform(ink), image.Point{}, draw.Src)
		}
	}
}

func (c canvas) at(x, y float64) (int, int) {
	return c.area.Min.X + int(x*c.scale), c.area.Min.Y + int(y*c.scale)
}

func (c canvas) set(x, y int, ink color.RGBA) {
	if image.Pt(x, y).In(c.area) {
		c.sheet.SetRGBA(x, y, ink)
	}
}

// line draws two pixels wide.
func (c canvas) line(x1, y1, x2, y2 float64, ink color.RGBA) {
	ax, ay := c.at(x1, y1)
	bx, by := c.at(x2, y2)
	bx, by = min(bx, c.area.Max.X-1), min(by, c.area.Max.Y-1)
	ax, ay = min(ax, c.area.Max.X-1), min(ay, c.area.Max.Y-1)
	steps := max(abs(bx-ax), abs(by-ay), 1)
	for k := range steps + 1 {
		x, y := ax+(bx-ax)*k/steps, ay+(by-ay)*k/steps
		c.set(x, y, ink)
		c.set(x+1, y, ink)
		c.set(x, y+1, ink)
	}
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}

func (c canvas) dot(x, y float64, ink color.RGBA) {
	cx, cy := c.at(x, y)
	for dy := -3; dy <= 3; dy++ {
		for dx := -3; dx <= 3; dx++ {
			switch d := dx*dx + dy*dy; {
			case d <= 4:
				c.set(cx+dx, cy+dy, ink)
			case d <= 10:
				c.set(cx+dx, cy+dy, color.RGBA{255, 255, 255, 255})
			}
		}
	}
}

// fill covers the inside of a ring with a translucent, premultiplied colour.
func (c canvas) fill(r []float64, ink color.RGBA) {
	z := vector.NewRasterizer(c.area.Dx(), c.area.Dy())
	z.MoveTo(float32(r[0]*c.scale), float32(r[1]*c.scale))
	for i := 2; i+1 < len(r); i += 2 {
		z.LineTo(float32(r[i]*c.scale), float32(r[i+1]*c.scale))
	}
	z.ClosePath()
	z.Draw(c.sheet, c.area, image.NewUniform(ink), image.Point{})
}
