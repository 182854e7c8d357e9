package split

import (
	"math/big"
	"math/bits"
)

// Random is CPython's random.Random: MT19937 seeded by init_by_array, which is
// what random.seed does with an int since Python 3.2. Equal seeds give the same
// draws, bit for bit, as every CPython from 3.6 to 3.13.
type Random struct {
	state [mtSize]uint32
	next  int // index of the next word; mtSize means that state is used up
}

const (
	mtSize   = 624
	mtMiddle = 397
	mtMatrix = 0x9908b0df
	mtUpper  = 0x80000000
	mtLower  = 0x7fffffff
)

// NewRandom seeds as random.seed(seed) does with an int. The sign is ignored.
func NewRandom(seed int64) *Random { return NewRandomBig(big.NewInt(seed)) }

// NewRandomBig seeds with an int of any size.
func NewRandomBig(seed *big.Int) *Random {
	r := new(Random)
	r.seedWords(words(seed))
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

// seedWords is init_by_array of the reference implementation.
func (r *Random) seedWords(key []uint32) {
	r.state[0] = 19650218
	for i := 1; i < mtSize; i++ {
		r.state[i] = 1812433253*(r.state[i-1]^r.state[i-1]>>30) + uint32(i)
	}
	i, j := 1, 0
	for range max(mtSize, len(key)) {
		r.state[i] = (r.state[i] ^ (r.state[i-1]^r.state[i-1]>>30)*1664525) + key[j] + uint32(j)
		i, j = r.following(i), (j+1)%len(key)
	}
	for range mtSize - 1 {
		r.state[i] = (r.state[i] ^ (r.state[i-1]^r.state[i-1]>>30)*1566083941) - uint32(i)
		i = r.following(i)
	}
	r.state[0] = mtUpper
	r.next = mtSize
}

func (r *Random) following(i int) int {
	if i++; i < mtSize {
		return i
	}
	r.state[0] = r.state[mtSize-1]
	return 1
}

// Uint32 draws 32 bits (genrand_uint32).
func (r *Random) Uint32() uint32 {
	if r.next == mtSize {
		r.refill()
	}
	y := r.state[r.next]
	r.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *Random) refill() {
	for i := range mtSize {
		y := r.state[i]&mtUpper | r.state[(i+1)%mtSize]&mtLower
		next := r.state[(i+mtMiddle)%mtSize] ^ y>>1
		if y&1 == 1 {
			next ^= mtMatrix
		}
		r.state[i] = next
	}
	r.next = 0
}

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
