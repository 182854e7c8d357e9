package split

import (
	"math/big"
	"math/bits"

	"gonum.org/v1/gonum/mathext/prng"
)

// Random is CPython's random.Random: MT19937 seeded by init_by_array, which is
// what random.seed does with an int since Python 3.2. Equal seeds give the same
// draws, bit for bit, as every CPython from 3.6 to 3.13.
type Random struct{ source *prng.MT19937 }

// NewRandom seeds as random.seed(seed) does with an int. The sign is ignored.
func NewRandom(seed int64) *Random { return NewRandomBig(big.NewInt(seed)) }

// NewRandomBig seeds with an int of any size.
func NewRandomBig(seed *big.Int) *Random {
	r := &Random{prng.NewMT19937()}
	r.source.SeedFromKeys(words(seed))
	return r
}

// words are abs(seed) as little-endian 32-bit words, at least one.
func words(seed *big.Int) []uint32 {
	key := []uint32{}
	mask := big.NewInt(0xffffffff)
	for n := new(big.Int).Abs(seed); n.Sign() > 0; n.Rsh(n, 32) {
		key = append(key, uint32(new(big.Int).And(n, mask).Uint64()))
	}
	if len(key) == 0 {
		key = append(key, 0)
	}
	return key
}

// Uint32 draws 32 bits (genrand_uint32).
func (r *Random) Uint32() uint32 { return r.source.Uint32() }

// Below draws from [0, n) as random._randbelow does; n must be at least 1. The
// number of bits is that of n, not of n−1, so a power of two rejects half of
// its draws: that is what CPython does.
func (r *Random) Below(n uint64) uint64 {
	width := bits.Len64(n)
	for {
		if v := r.bits(width); v < n {
			return v
		}
	}
}

// bits is getrandbits(k) for k up to 64: the low word is drawn first.
func (r *Random) bits(k int) uint64 {
	if k <= 32 {
		return uint64(r.Uint32() >> (32 - k))
	}
	low := uint64(r.Uint32())
	return low | uint64(r.Uint32()>>(64-k))<<32
}

// Shuffle is random.shuffle on a list of n elements. Lists of zero and one
// elements draw nothing.
func (r *Random) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i >= 1; i-- {
		swap(i, int(r.Below(uint64(i+1))))
	}
}
