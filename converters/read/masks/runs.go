package masks

import (
	"fmt"
	"image"
	"image/color"
	"runtime"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// value is what a pixel says: a number, or a colour with the flag isColour.
type value uint32

const isColour value = 1 << 24

func colour(r, g, b uint8) value {
	return isColour | value(r)<<16 | value(g)<<8 | value(b)
}

func (v value) String() string {
	if v&isColour != 0 {
		return fmt.Sprintf("#%06x", uint32(v&^isColour))
	}
	return fmt.Sprint(uint32(v))
}

// area is the pixels of one value in one image.
type area struct {
	image int32
	value value
	mask  *dataset.RLE
}

// pixels are how many the value has.
func (a area) pixels() (n uint64) {
	for i := 1; i < len(a.mask.Counts); i += 2 {
		n += uint64(a.mask.Counts[i])
	}
	return n
}

// maxValues bounds the classes of one mask, maxRuns the runs of all of them: four
// bytes each are held in memory.
const maxValues = 1024

var maxRuns int64 = 100_000_000 // a test lowers it

// decodeAll reads the masks, of which the i-th is of image i.
func decodeAll(f *layout.Folder, files []string, coloured bool, problems *problem.List) ([]area, error) {
	each := make([][]area, len(files))
	wrong := make([]error, len(files))
	group := crew.New()
	group.SetLimit(runtime.GOMAXPROCS(0))
	var runs atomic.Int64
	for i, name := range files {
		group.Go(func() error {
			if runs.Load() > maxRuns {
				return nil // what is held is enough to refuse it
			}
			each[i], wrong[i] = decode(f.Path(name), coloured)
			for _, a := range each[i] {
				runs.Add(int64(len(a.mask.Counts)))
			}
			return nil
		})
	}
	_ = group.Wait()
	if runs.Load() > maxRuns {
		return nil, contract.Failf(contract.CodeDatasetTooLarge, "The dataset's masks have more than %d runs of pixels.", maxRuns).
			WithHint("Train on a part of it, or on smaller masks.")
	}
	var all []area
	for i, areas := range each {
		if wrong[i] != nil {
			problems.Add(problem.AnnotationUnreadable, i, "%s: %v", files[i], wrong[i])
		}
		for _, a := range areas {
			a.image = int32(i)
			all = append(all, a)
		}
	}
	return all, nil
}

func decode(file string, coloured bool) ([]area, error) {
	im, err := imagefile.Decode(file)
	if err != nil {
		return nil, err
	}
	return areas(im.Bounds(), reader(im, coloured))
}

// reader tells the value of a pixel. Of a palette it is the index, or the colour
// where the dataset names classes by colours; of RGB it is the colour, unless all
// are grey.
func reader(im image.Image, coloured bool) func(x, y int) value {
	switch im := im.(type) {
	case *image.Paletted:
		if !coloured {
			return func(x, y int) value { return value(im.ColorIndexAt(x, y)) }
		}
	case *image.Gray:
		if !coloured {
			return func(x, y int) value { return value(im.GrayAt(x, y).Y) }
		}
	case *image.Gray16:
		return func(x, y int) value { return value(im.Gray16At(x, y).Y) }
	}
	rgb := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(im.At(x, y)).(color.NRGBA) }
	if coloured || !grey(im.Bounds(), rgb) {
		return func(x, y int) value { c := rgb(x, y); return colour(c.R, c.G, c.B) }
	}
	return func(x, y int) value { return value(rgb(x, y).R) }
}

func grey(b image.Rectangle, at func(x, y int) color.NRGBA) bool {
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if c := at(x, y); c.R != c.G || c.G != c.B {
				return false
			}
		}
	}
	return true
}

// areas gives every value its runs, column by column as COCO counts.
func areas(b image.Rectangle, at func(x, y int) value) ([]area, error) {
	var list []area
	index := make(map[value]int)
	ends := []uint32(nil) // of the last run of each
	position, total := uint32(0), uint32(b.Dx()*b.Dy())
	end := func(v value, length uint32) error {
		i, known := index[v]
		if !known {
			if i = len(list); i == maxValues {
				return fmt.Errorf("it has more than %d values; is it a mask of classes?", maxValues)
			}
			index[v] = i
			list = append(list, area{value: v, mask: &dataset.RLE{Height: b.Dy(), Width: b.Dx()}})
			ends = append(ends, 0)
		}
		list[i].mask.Counts = append(list[i].mask.Counts, position-ends[i], length)
		position += length
		ends[i] = position
		return nil
	}
	var current value
	length := uint32(0)
	for x := b.Min.X; x < b.Max.X; x++ {
		for y := b.Min.Y; y < b.Max.Y; y++ {
			v := at(x, y)
			if v != current && length > 0 {
				if err := end(current, length); err != nil {
					return nil, err
				}
				length = 0
			}
			current = v
			length++
		}
	}
	if length > 0 {
		if err := end(current, length); err != nil {
			return nil, err
		}
	}
	for i := range list {
		if rest := total - ends[i]; rest > 0 {
			list[i].mask.Counts = append(list[i].mask.Counts, rest)
		}
	}
	return list, nil
}
