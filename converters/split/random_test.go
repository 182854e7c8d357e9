package split

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type vectors struct {
	Raw []struct {
		Seed      string
		U32       []uint32
		Randbelow [][2]json.Number
	}
	Cut []struct {
		N     int
		Ratio float64
		Int   int
	}
	Vectors []struct {
		Kind    string
		Seed    string
		N       int
		Perm    []int
		NextU32 uint32 `json:"next_u32"`
		SHA256  string
	}
	Names []string `json:"module_seed42_names"`
}

func loadVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("../../testdata/split_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func seeded(t *testing.T, kind, seed string) *Random {
	t.Helper()
	if kind == "str" { // as random.seed(s, version=2): the UTF-8 bytes and their SHA-512, as one number
		sum := sha512.Sum512([]byte(seed))
		return NewRandomBig(new(big.Int).SetBytes(append([]byte(seed), sum[:]...)))
	}
	n, ok := new(big.Int).SetString(seed, 10)
	if !ok {
		t.Fatalf("seed %q is not a number", seed)
	}
	return NewRandomBig(n)
}

func TestShuffleEqualsCPythonOnEveryVector(t *testing.T) {
	v := loadVectors(t)
	if len(v.Vectors) != 269 {
		t.Fatalf("%d vectors, want 269", len(v.Vectors))
	}
	for _, c := range v.Vectors {
		r := seeded(t, c.Kind, c.Seed)
		order := make([]int, c.N)
		for i := range order {
			order[i] = i
		}
		shuffle(r, order)
		if c.Perm != nil && !slices.Equal(order, c.Perm) {
			t.Errorf("%s seed %q n %d: %v, want %v", c.Kind, c.Seed, c.N, order, c.Perm)
		}
		text := make([]string, c.N)
		for i, v := range order {
			text[i] = strconv.Itoa(v)
		}
		sum := sha256.Sum256([]byte(strings.Join(text, ",")))
		if hex.EncodeToString(sum[:]) != c.SHA256 {
			t.Errorf("%s seed %q n %d: another order than CPython's", c.Kind, c.Seed, c.N)
		}
		if next := r.Uint32(); next != c.NextU32 {
			t.Errorf("%s seed %q n %d: next draw %d, want %d", c.Kind, c.Seed, c.N, next, c.NextU32)
		}
	}
}

func TestDrawsEqualCPython(t *testing.T) {
	for _, c := range loadVectors(t).Raw {
		r := seeded(t, "int", c.Seed)
		for i, want := range c.U32 {
			if got := r.Uint32(); got != want {
				t.Errorf("seed %s: word %d is %d, want %d", c.Seed, i, got, want)
			}
		}
		r = seeded(t, "int", c.Seed)
		for _, pair := range c.Randbelow {
			n, err := strconv.ParseUint(pair[0].String(), 10, 64)
			if err != nil {
				break // more than 64 bits: no list is that long
			}
			if got := strconv.FormatUint(r.Below(n), 10); got != pair[1].String() {
				t.Errorf("seed %s: randbelow(%d) is %s, want %s", c.Seed, n, got, pair[1])
			}
		}
	}
}

func TestCutEqualsPythonsInt(t *testing.T) {
	for _, c := range loadVectors(t).Cut {
		if got := platformCounts(c.N, []float64{c.Ratio, 1 - c.Ratio})[0]; got != c.Int {
			t.Errorf("int(%d*%v) is %d, want %d", c.N, c.Ratio, got, c.Int)
		}
	}
}

func TestModuleShuffleOfNames(t *testing.T) {
	names := []string{"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"}
	NewRandom(42).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if want := loadVectors(t).Names; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}
