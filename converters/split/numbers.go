package split

import (
	"encoding/json"
	"math"
	"strconv"
)

// ratio reads [train, val] or [train, val, test], the same as an object, or the
// parts under keys of their own: train_ratio, val_ratio and test_ratio. What two of
// these leave of 1 is for testing.
func (p *parser) ratio() []float64 {
	raw := p.value("ratio")
	if !given(raw) {
		return p.parts()
	}
	var ratio []float64
	if named := p.named(raw); named != nil {
		ratio = named
	} else if json.Unmarshal(raw, &ratio) != nil || len(ratio) < 2 || len(ratio) > 3 {
		p.fail("ratio is %s, expected [train, val] or [train, val, test], for example [0.8, 0.2]", brief(raw))
		return nil
	}
	return p.whole(ratio, brief(raw))
}

// named reads {"train": 0.7, "val": 0.2, "test": 0.1}.
func (p *parser) named(raw json.RawMessage) []float64 {
	var parts struct{ Train, Val, Test *float64 }
	if json.Unmarshal(raw, &parts) != nil || parts.Train == nil || parts.Val == nil {
		return nil
	}
	if parts.Test == nil || *parts.Test == 0 {
		return []float64{*parts.Train, *parts.Val}
	}
	return []float64{*parts.Train, *parts.Val, *parts.Test}
}

// parts reads train_ratio, val_ratio and test_ratio.
func (p *parser) parts() []float64 {
	if p.counts() {
		return nil
	}
	var values [3]float64
	var there [3]bool
	for i, key := range []string{"train_ratio", "val_ratio", "test_ratio"} {
		raw := p.value(key)
		if !given(raw) {
			continue
		}
		if raw[0] == '[' {
			p.fail("%s holds a list, expected a part of 1; the images of a split stand in custom_splits, for example {\"1\": \"train\"}", key)
			return nil
		}
		if there[i] = json.Unmarshal(raw, &values[i]) == nil; !there[i] {
			p.fail("%s is %s, expected a part of 1, for example 0.8", key, brief(raw))
			return nil
		}
		if values[i] > 1 {
			p.fail("%s is %s, more than the whole: it is a part of 1, for example 0.8 for 80 %%", key, brief(raw))
			return nil
		}
	}
	train, val, test := values[0], values[1], values[2]
	switch there {
	case [3]bool{}:
		return nil
	case [3]bool{true, false, false}:
		val = 1 - train
	case [3]bool{false, true, false}:
		train = 1 - val
	case [3]bool{true, true, false}:
		test = 1 - train - val
	case [3]bool{true, false, true}:
		val = 1 - train - test
	case [3]bool{false, true, true}:
		train = 1 - val - test
	case [3]bool{false, false, true}:
		p.fail("test_ratio is given without train_ratio and val_ratio")
		return nil
	}
	ratio := []float64{round(train), round(val)}
	if test = round(test); math.Abs(test) > tolerance {
		ratio = append(ratio, test)
	}
	return p.whole(ratio, "train_ratio, val_ratio and test_ratio")
}

// counts reports that train, val and test say how many images each split has: a
// dataset's own statistics, or what stands beside custom_splits.
func (p *parser) counts() bool {
	for _, key := range []string{"train", "val", "test"} {
		var n float64
		if raw := p.raw[key]; given(raw) && json.Unmarshal(raw, &n) == nil && n > 1 {
			return p.config || given(p.raw["custom_splits"]) || given(p.raw["splits"])
		}
	}
	return false
}

// round takes the noise off a difference: 1 − 0.7 − 0.2 is meant to be 0.1.
func round(v float64) float64 { return math.Round(v*1e9) / 1e9 }

// tolerance takes three times 0.333; anything further off is a typing mistake, and
// which part it is in nobody can know.
const tolerance = 0.0011

func (p *parser) whole(ratio []float64, text string) []float64 {
	sum := 0.0
	for _, r := range ratio {
		if r < 0 {
			p.fail("ratio is %s: a part is negative", text)
			return nil
		}
		sum += r
	}
	if math.Abs(sum-1) > tolerance {
		p.fail("ratio is %s and sums to %s, expected parts of 1, for example [0.8, 0.2]",
			text, strconv.FormatFloat(sum, 'g', 6, 64))
		return nil
	}
	return ratio
}

// seed accepts 42 and 42.0, which Python's random.seed treats alike.
func (p *parser) seed(raw json.RawMessage) *int64 {
	if !given(raw) {
		return nil
	}
	if v, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return &v
	}
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		v := int64(f)
		return &v
	}
	p.fail("seed is %s, expected a whole number of at most 64 bits, for example 42", brief(raw))
	return nil
}
