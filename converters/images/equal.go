package images

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
)

// sampleBytes is how much of a file's middle is compared before the whole is read.
const sampleBytes = 4096

// Equal groups files of the same content, by index. Files that differ in size are
// told apart without being opened, most others by a sample of their middle.
func Equal(ctx context.Context, files []File) ([][]int, error) {
	groups := [][]int{make([]int, len(files))}
	for i := range files {
		groups[0][i] = i
	}
	type key struct {
		bytes         int64
		width, height int
		sum           [sha256.Size]byte
	}
	for _, sum := range []func(File) ([sha256.Size]byte, error){nil, sample, whole} {
		keys := make([]key, len(files))
		for i, f := range files {
			keys[i] = key{bytes: f.Bytes, width: f.Width, height: f.Height}
		}
		if sum != nil {
			var list []int
			for _, g := range groups {
				list = append(list, g...)
			}
			err := Each(ctx, len(list), nil, func(k int) (err error) {
				keys[list[k]].sum, err = sum(files[list[k]])
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		groups = divide(groups, func(i int) key { return keys[i] })
	}
	return groups, nil
}

// divide splits groups by a key and keeps those of two or more.
func divide[K comparable](groups [][]int, key func(i int) K) [][]int {
	var out [][]int
	for _, g := range groups {
		at := make(map[K]int)
		first := len(out)
		for _, i := range g {
			k, known := at[key(i)]
			if !known {
				k = len(out)
				at[key(i)] = k
				out = append(out, nil)
			}
			out[k] = append(out[k], i)
		}
		kept := out[:first]
		for _, part := range out[first:] {
			if len(part) > 1 {
				kept = append(kept, part)
			}
		}
		out = kept
	}
	return out
}

func sample(f File) (sum [sha256.Size]byte, err error) {
	return hash(f, func(r *os.File) io.Reader { return io.NewSectionReader(r, f.Bytes/2, sampleBytes) })
}

func whole(f File) (sum [sha256.Size]byte, err error) {
	return hash(f, func(r *os.File) io.Reader { return r })
}

func hash(f File, of func(*os.File) io.Reader) (sum [sha256.Size]byte, err error) {
	in, err := os.Open(f.Path)
	if err != nil {
		return sum, err
	}
	defer func() { _ = in.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, of(in)); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
