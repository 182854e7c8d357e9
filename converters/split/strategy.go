package split

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/contract/spelling"
)

// MaxStrategyBytes bounds SPLIT_STRATEGY: a map of several million images.
const MaxStrategyBytes = 256 << 20

// spellings are the keys of a strategy, each with the other names that producers
// have for it.
var spellings = map[string][]string{
	"method":         {},
	"ratio":          {"default_ratio", "ratios"},
	"seed":           {"default_seed"},
	"custom_splits":  {"splits"},
	"exclude_images": {},
	"stratify":       {},
	"train_ratio":    {"train", "train_size", "train_split"},
	"val_ratio":      {"val", "val_size", "val_split", "validation_ratio", "validation_split"},
	"test_ratio":     {"test", "test_size", "test_split"},
}

// methods are the words for a method, each with what it means.
var methods = map[string]contract.SplitMethod{
	"auto":        contract.SplitAuto,
	"use_dataset": contract.SplitUseDataset, "use_default": contract.SplitUseDataset,
	"custom": contract.SplitCustom, "manual": contract.SplitCustom,
}

// ParseStrategy reads SPLIT_STRATEGY: {"method", "ratio", "seed",
// "custom_splits", "exclude_images", "stratify"} and the other names that
// spellings lists. Every mistake is reported, not only the first; the error is an
// errors.Join. A key that is nearly one of these is a mistake too; others that mean
// nothing are in the strategy's Unknown.
func ParseStrategy(text []byte) (*contract.SplitStrategy, error) {
	p, err := decode(text)
	if err != nil {
		return nil, err
	}
	p.misspelt()
	s := p.strategy()
	s.Method = p.method()
	if s.Method == contract.SplitAuto && s.CustomSplits != nil {
		s.Method = contract.SplitCustom // what it names is honoured, the rest is shared out
	}
	if s.Method == contract.SplitCustom && len(s.CustomSplits) == 0 {
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
	p.config = true
	s := p.strategy()
	s.Method = contract.SplitAuto
	if len(s.CustomSplits) > 0 {
		s.Method = contract.SplitCustom
	}
	if err := errors.Join(p.problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// parser is one strategy being read; what is wrong with it is collected.
type parser struct {
	raw      map[string]json.RawMessage
	config   bool // it is a dataset's split_config
	unknown  []string
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
	for key, value := range p.raw {
		if given(value) && !known(key) {
			p.unknown = append(p.unknown, key)
		}
	}
	slices.Sort(p.unknown)
	return p, nil
}

func known(key string) bool {
	if _, ok := spellings[key]; ok {
		return true
	}
	for _, others := range spellings {
		if slices.Contains(others, key) {
			return true
		}
	}
	return false
}

// misspelt refuses a key that somebody meant for one of ours: what it says would be
// left out in silence.
func (p *parser) misspelt() {
	words := slices.Collect(maps.Keys(spellings))
	for _, others := range spellings {
		words = append(words, others...)
	}
	slices.Sort(words)
	for _, key := range p.unknown {
		if near := spelling.Nearest(key, words); near != "" {
			p.fail("the key %q means nothing; did you mean %q?", key, near)
		}
	}
}

func (p *parser) fail(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

// strategy is everything but the method.
func (p *parser) strategy() *contract.SplitStrategy {
	s := &contract.SplitStrategy{Unknown: p.unknown}
	s.Ratio = p.ratio()
	s.Seed = p.seed(p.value("seed"))
	s.CustomSplits = p.splits(p.value("custom_splits"))
	s.ExcludeImages = p.exclude(p.value("exclude_images"))
	if raw := p.value("stratify"); given(raw) && json.Unmarshal(raw, &s.Stratify) != nil {
		p.fail("stratify is %s, expected true or false", brief(raw))
	}
	return s
}

func (p *parser) method() contract.SplitMethod {
	raw := p.value("method")
	if !given(raw) {
		return contract.SplitAuto
	}
	var word string
	if err := json.Unmarshal(raw, &word); err != nil {
		p.fail(`method is %s, expected "auto", "use_dataset" or "custom"`, brief(raw))
		return contract.SplitAuto
	}
	m, ok := methods[word]
	if !ok {
		p.fail(`method is %q, expected "auto", "use_dataset" or "custom"`, word)
		return contract.SplitAuto
	}
	return m
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// value picks the spelling of a key that is there; two that are there and differ
// are a mistake.
func (p *parser) value(name string) json.RawMessage {
	value, from := p.raw[name], name
	for _, other := range spellings[name] {
		b := p.raw[other]
		switch {
		case !given(b):
		case given(value) && !bytes.Equal(compact(value), compact(b)):
			p.fail("%s and %s are both given and differ; keep one of them", from, other)
		default:
			value, from = b, other
		}
	}
	return value
}

func compact(raw json.RawMessage) []byte {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
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
	slices.Sort(ids)
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
