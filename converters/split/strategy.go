package split

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"

	"github.com/vision-platform/trainer-agent/contract"
)

// MaxStrategyBytes bounds SPLIT_STRATEGY: a map of several million images.
const MaxStrategyBytes = 256 << 20

// strategyJSON is SPLIT_STRATEGY and split_config with both of their spellings.
type strategyJSON struct {
	Method        *string         `json:"method"`
	Ratio         json.RawMessage `json:"ratio"`
	DefaultRatio  json.RawMessage `json:"default_ratio"`
	Seed          json.RawMessage `json:"seed"`
	DefaultSeed   json.RawMessage `json:"default_seed"`
	CustomSplits  json.RawMessage `json:"custom_splits"`
	Splits        json.RawMessage `json:"splits"`
	ExcludeImages json.RawMessage `json:"exclude_images"`
	Stratify      json.RawMessage `json:"stratify"`
}

// ParseStrategy reads SPLIT_STRATEGY: {"method", "ratio", "seed",
// "custom_splits", "exclude_images", "stratify"}, with default_ratio and splits
// accepted as other names of ratio and custom_splits. Every mistake is reported,
// not only the first; the error is an errors.Join.
func ParseStrategy(text []byte) (*contract.SplitStrategy, error) {
	p, err := decode(text)
	if err != nil {
		return nil, err
	}
	s := &contract.SplitStrategy{Method: contract.SplitAuto}
	method := p.method(s)
	if p.raw.Method == nil && s.CustomSplits != nil {
		method = contract.SplitCustom
	}
	s.Method = method
	if method == contract.SplitCustom && len(s.CustomSplits) == 0 {
		p.fail(`method "custom" needs custom_splits, for example {"1": "train", "2": "val"}`)
	}
	if err := errors.Join(p.problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// ParseConfig reads a dataset's split_config, which is a SplitStrategy whose
// method may be anything: what counts is its splits, and the ratio and seed for
// the images that they leave open.
func ParseConfig(text []byte) (*contract.SplitStrategy, error) {
	p, err := decode(text)
	if err != nil {
		return nil, err
	}
	s := &contract.SplitStrategy{}
	p.raw.Method = nil
	p.method(s)
	s.Method = contract.SplitAuto
	if len(s.CustomSplits) > 0 {
		s.Method = contract.SplitCustom
	}
	if err := errors.Join(p.problems...); err != nil {
		return nil, err
	}
	return s, nil
}

type parser struct {
	raw      strategyJSON
	problems []error
}

func decode(text []byte) (*parser, error) {
	const example = `for example {"method": "auto", "ratio": [0.8, 0.2], "seed": 42}`
	if len(text) > MaxStrategyBytes {
		return nil, fmt.Errorf("the split strategy has %d bytes, more than %d", len(text), MaxStrategyBytes)
	}
	p := new(parser)
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("the split strategy is not a JSON object, %s", example)
	}
	if err := json.Unmarshal(text, &p.raw); err != nil {
		return nil, fmt.Errorf("the split strategy is not valid JSON: %w; %s", err, example)
	}
	return p, nil
}

func (p *parser) fail(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

// method fills s with everything but the method, which it returns.
func (p *parser) method(s *contract.SplitStrategy) contract.SplitMethod {
	s.Ratio = p.ratio(p.either("ratio", p.raw.Ratio, "default_ratio", p.raw.DefaultRatio))
	s.Seed = p.seed(p.either("seed", p.raw.Seed, "default_seed", p.raw.DefaultSeed))
	s.CustomSplits = p.splits(p.either("custom_splits", p.raw.CustomSplits, "splits", p.raw.Splits))
	s.ExcludeImages = p.exclude(p.raw.ExcludeImages)
	if given(p.raw.Stratify) && json.Unmarshal(p.raw.Stratify, &s.Stratify) != nil {
		p.fail("stratify is %s, expected true or false", brief(p.raw.Stratify))
	}
	if p.raw.Method == nil {
		return contract.SplitAuto
	}
	switch m := contract.SplitMethod(*p.raw.Method); m {
	case contract.SplitAuto, contract.SplitUseDataset, contract.SplitCustom:
		return m
	}
	p.fail(`method is %q, expected "auto", "use_dataset" or "custom"`, *p.raw.Method)
	return contract.SplitAuto
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// either picks the spelling that is there; both there and different is a mistake.
func (p *parser) either(name string, a json.RawMessage, other string, b json.RawMessage) json.RawMessage {
	switch {
	case !given(b):
		return a
	case given(a) && !bytes.Equal(compact(a), compact(b)):
		p.fail("%s and %s are both given and differ; keep one of them", name, other)
		return a
	default:
		return b
	}
}

func compact(raw json.RawMessage) []byte {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}

func (p *parser) ratio(raw json.RawMessage) []float64 {
	if !given(raw) {
		return nil
	}
	var ratio []float64
	if json.Unmarshal(raw, &ratio) != nil || len(ratio) < 2 || len(ratio) > 3 {
		p.fail("ratio is %s, expected [train, val] or [train, val, test], for example [0.8, 0.2]", brief(raw))
		return nil
	}
	sum := 0.0
	for _, r := range ratio {
		if r < 0 {
			p.fail("ratio is %s: a part is negative", brief(raw))
			return nil
		}
		sum += r
	}
	// The tolerance takes three times 0.333; anything further off is a typing
	// mistake, and which part it is in nobody can know.
	if math.Abs(sum-1) > 0.0011 {
		p.fail("ratio is %s and sums to %s, expected parts of 1, for example [0.8, 0.2]",
			brief(raw), strconv.FormatFloat(sum, 'g', 6, 64))
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

func (p *parser) exclude(raw json.RawMessage) []string {
	if !given(raw) {
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		p.fail("exclude_images is %s, expected a list of image ids, for example [17, \"img-3\"]", brief(raw))
		return nil
	}
	ids := make([]string, 0, len(items))
	for _, item := range items {
		id, ok := idText(item)
		if !ok {
			p.fail("exclude_images holds %s, expected an image id (a number or a string)", brief(item))
			return nil
		}
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// idText is the text of an id that may be a number or a string.
func idText(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return s, true
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil && len(raw) > 0 && raw[0] != 'n' {
		return n.String(), true
	}
	return "", false
}

// brief quotes a value in an error without flooding it.
func brief(raw json.RawMessage) string {
	text := string(compact(raw))
	if len(text) > 60 {
		text = text[:57] + "..."
	}
	return text
}
