package dataset

// chunkSize is the number of elements of a chunk.
const chunkSize = 4096

// Chunks is a list that grows without copying what it holds: a slice that
// doubles would need twice its memory at the end. The zero value is empty.
type Chunks[T any] struct {
	chunks [][]T
	n      int
}

// Append adds v and returns its index.
func (c *Chunks[T]) Append(v T) int {
	if c.n == len(c.chunks)*chunkSize {
		c.chunks = append(c.chunks, make([]T, 0, chunkSize))
	}
	last := &c.chunks[len(c.chunks)-1]
	*last = append(*last, v)
	c.n++
	return c.n - 1
}

// At is element i, in place.
func (c *Chunks[T]) At(i int) *T { return &c.chunks[i/chunkSize][i%chunkSize] }

// Len is the number of elements.
func (c *Chunks[T]) Len() int { return c.n }

// Truncate drops every element from index n on.
func (c *Chunks[T]) Truncate(n int) {
	for c.n > n {
		last := len(c.chunks) - 1
		keep := max(0, n-last*chunkSize)
		clear(c.chunks[last][keep:])
		c.chunks[last] = c.chunks[last][:keep]
		c.n = last*chunkSize + keep
		if keep == 0 {
			c.chunks = c.chunks[:last]
		}
	}
}

// Keep drops the elements that keep refuses; the order stays.
func (c *Chunks[T]) Keep(keep func(*T) bool) {
	n := 0
	for i := range c.n {
		v := c.At(i)
		if !keep(v) {
			continue
		}
		if n != i {
			*c.At(n) = *v
		}
		n++
	}
	c.Truncate(n)
}

// Slab hands out small slices cut from large ones, for values that live as long
// as the catalog. The zero value is ready.
type Slab[T any] struct{ free []T }

const slabSize = 1 << 16

// Undo takes back every copy made since the slab was before. They must not be
// used any more.
func (s *Slab[T]) Undo(before Slab[T]) {
	if len(before.free) > 0 && &before.free[0] == &s.free[0] {
		s.free = before.free
	} else {
		s.free = s.free[:0] // of another slab, which was begun since
	}
}

// Copy returns a copy of v that cannot grow into its neighbour. A nil v stays nil.
func (s *Slab[T]) Copy(v []T) []T {
	if v == nil {
		return nil
	}
	if len(v) > slabSize/8 {
		return append(make([]T, 0, len(v)), v...)
	}
	if len(v) > cap(s.free)-len(s.free) {
		s.free = make([]T, 0, slabSize)
	}
	at := len(s.free)
	s.free = append(s.free, v...)
	return s.free[at:len(s.free):len(s.free)]
}
