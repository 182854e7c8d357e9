package dataset

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestChunksAreASlice compares with a slice that does the same.
func TestChunksAreASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Chunks[int]
		var want []int
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				for range rapid.IntRange(0, 3*chunkSize).Draw(t, "append") {
					c.Append(len(want))
					want = append(want, len(want))
				}
			case 1:
				n := rapid.IntRange(0, len(want)).Draw(t, "truncate")
				c.Truncate(n)
				want = want[:n]
			case 2:
				k := rapid.IntRange(1, 5).Draw(t, "keep")
				c.Keep(func(v *int) bool { return *v%k == 0 })
				want = slices.DeleteFunc(want, func(v int) bool { return v%k != 0 })
			}
			if c.Len() != len(want) {
				t.Fatalf("%d elements, want %d", c.Len(), len(want))
			}
			for i, v := range want {
				if *c.At(i) != v {
					t.Fatalf("element %d is %d, want %d", i, *c.At(i), v)
				}
			}
		}
	})
}

func TestSlabCopiesDoNotTouchEachOther(t *testing.T) {
	var s Slab[int]
	a := s.Copy([]int{1, 2})
	b := s.Copy([]int{3})
	_ = append(a, 9)
	if b[0] != 3 || s.Copy(nil) != nil || len(s.Copy(make([]int, slabSize))) != slabSize {
		t.Errorf("%v %v", a, b)
	}
}

// TestUndoneCopiesLeaveTheEarlierOnes, also where they began another slab.
func TestUndoneCopiesLeaveTheEarlierOnes(t *testing.T) {
	var s Slab[int]
	before := s
	s.Copy([]int{7})
	s.Undo(before)
	kept := s.Copy([]int{1, 2})
	before = s
	for range 20 {
		s.Copy(make([]int, slabSize/8))
	}
	s.Undo(before)
	again := s.Copy([]int{3})
	before = s
	s.Copy([]int{8, 8})
	s.Undo(before)
	more := s.Copy([]int{4})
	if !slices.Equal(kept, []int{1, 2}) || again[0] != 3 || more[0] != 4 || len(s.free) > 4 {
		t.Errorf("%v %v %v, %d in use", kept, again, more, len(s.free))
	}
}

func TestArrangeGroupsByImageInFileOrder(t *testing.T) {
	c := Catalog{Images: make([]Image, 3)}
	for _, image := range []int32{2, 0, 2, 2, 0} {
		c.Objects.Append(Object{Image: image})
	}
	c.Arrange()
	for i, want := range [][]int32{{1, 4}, {}, {0, 2, 3}} {
		if got := c.ObjectsOf(i); !slices.Equal(got, want) {
			t.Errorf("image %d: %v, want %v", i, got, want)
		}
	}
}
