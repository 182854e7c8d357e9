package split

import (
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
)

// automatic assigns the images that have no split yet, among themselves.
func (a *Assignment) automatic(d Dataset, plan contract.SplitStrategy, out []bool) {
	for i, s := range a.Splits {
		if s == "" && !out[i] {
			a.Auto = append(a.Auto, i)
		}
	}
	random := NewRandom(*plan.Seed)
	if plan.Stratify && d.Classes != nil {
		a.stratified(d, plan.Ratio, random)
		return
	}
	order := slices.Clone(a.Auto)
	shuffle(random, order)
	a.cut(order, platformCounts(len(order), plan.Ratio))
}

func shuffle(random *Random, order []int) {
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
}

// platformCounts is the platform's own rule: int(n·r0) to train; with two ratios
// the rest to val, with three the next int(n·r1) to val and the rest to test.
// The product is a float64, as in Python: int(100·0.29) is 28.
func platformCounts(n int, ratio []float64) [3]int {
	train := int(float64(n) * ratio[0])
	if len(ratio) < 3 {
		return [3]int{train, n - train, 0}
	}
	val := min(int(float64(n)*ratio[1]), n-train)
	return [3]int{train, val, n - train - val}
}

// cut deals an order out: the first counts[0] to train, then val, then test.
func (a *Assignment) cut(order []int, counts [3]int) {
	for k, s := range contract.Splits {
		for _, i := range order[:counts[k]] {
			a.Splits[i] = s
		}
		order = order[counts[k]:]
	}
}

// stratified is our own extension: every image joins the group of its rarest
// class (the one with the fewest images; the lower index on a tie; images
// without objects form a group of their own), every group is shuffled by the one
// generator in class order, and every group is cut by largest remainder, with at
// least one image for each split that has a share as long as there are enough.
func (a *Assignment) stratified(d Dataset, ratio []float64, random *Random) {
	frequency := make(map[int]int)
	for _, i := range a.Auto {
		for _, c := range d.Classes(i) {
			frequency[c]++
		}
	}
	groups := make(map[int][]int)
	for _, i := range a.Auto {
		rarest := -1
		for _, c := range d.Classes(i) {
			if rarest < 0 || frequency[c] < frequency[rarest] || (frequency[c] == frequency[rarest] && c < rarest) {
				rarest = c
			}
		}
		groups[rarest] = append(groups[rarest], i)
	}
	for _, class := range sortedKeys(groups) {
		group := groups[class]
		shuffle(random, group)
		a.cut(group, remainderCounts(len(group), ratio))
	}
}

// remainderCounts shares n by largest remainder. A split with a share gets at
// least one image, train before val before test, as long as n suffices.
func remainderCounts(n int, ratio []float64) [3]int {
	var counts [3]int
	var rest [3]float64
	left := n
	for k, r := range ratio {
		exact := float64(n) * r
		counts[k] = min(int(exact+1e-9), left)
		rest[k] = exact - float64(counts[k])
		left -= counts[k]
	}
	for ; left > 0; left-- {
		best := 0
		for k := range ratio {
			if rest[k] > rest[best] {
				best = k
			}
		}
		counts[best]++
		rest[best]--
	}
	shares := 0
	for k, r := range ratio {
		if r <= 0 {
			continue
		}
		if shares++; shares > n || counts[k] > 0 {
			continue
		}
		counts[slices.Index(counts[:], slices.Max(counts[:]))]--
		counts[k]++
	}
	return counts
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// unused lists the names that no image answered to, sorted.
func unused(names map[string]bool) []string {
	var list []string
	for name, used := range names {
		if !used {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
