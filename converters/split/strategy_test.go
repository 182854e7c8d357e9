package split

import (
	"reflect"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func ptr(v int64) *int64 { return &v }

func TestParseStrategyReadsBothSpellings(t *testing.T) {
	for text, want := range map[string]contract.SplitStrategy{
		`{"method": "auto", "ratio": [0.8, 0.2], "seed": 42}`:          {Method: "auto", Ratio: []float64{.8, .2}, Seed: ptr(42)},
		`{"method": "auto", "default_ratio": [0.7, 0.2, 0.1]}`:         {Method: "auto", Ratio: []float64{.7, .2, .1}},
		`{"method": "use_dataset"}`:                                    {Method: "use_dataset"},
		`{}`:                                                           {Method: "auto"},
		"\xef\xbb\xbf{\"seed\": -42}":                                  {Method: "auto", Seed: ptr(-42)},
		`{"seed": 42.0, "stratify": true}`:                             {Method: "auto", Seed: ptr(42), Stratify: true},
		`{"seed": null, "ratio": null}`:                                {Method: "auto"},
		`{"ratio": [1, 0]}`:                                            {Method: "auto", Ratio: []float64{1, 0}},
		`{"ratio": [0.8,0.2], "default_ratio": [0.8, 0.2]}`:            {Method: "auto", Ratio: []float64{.8, .2}},
		`{"method": "custom", "custom_splits": {"1": "train"}}`:        {Method: "custom", CustomSplits: map[string]contract.Split{"1": "train"}},
		`{"method": "custom", "splits": {"a.jpg": "val", "b": null}}`:  {Method: "custom", CustomSplits: map[string]contract.Split{"a.jpg": "val", "b": ""}},
		`{"splits": {"train": [1, "x"], "val": [2]}}`:                  {Method: "custom", CustomSplits: map[string]contract.Split{"1": "train", "x": "train", "2": "val"}},
		`{"method": "manual", "splits": {"1": "val"}}`:                 {Method: "custom", CustomSplits: map[string]contract.Split{"1": "val"}},
		`{"method": "auto", "splits": {"1": "val"}}`:                   {Method: "custom", CustomSplits: map[string]contract.Split{"1": "val"}},
		`{"method": "use_default", "seed": 7}`:                         {Method: "use_dataset", Seed: ptr(7)},
		`{"ratios": [0.6, 0.4]}`:                                       {Method: "auto", Ratio: []float64{.6, .4}},
		`{"ratios": {"train": 0.7, "val": 0.2, "test": 0.1}}`:          {Method: "auto", Ratio: []float64{.7, .2, .1}},
		`{"ratio": {"train": 0.7, "val": 0.3, "test": 0}}`:             {Method: "auto", Ratio: []float64{.7, .3}},
		`{"train_ratio": 0.7, "val_ratio": 0.2}`:                       {Method: "auto", Ratio: []float64{.7, .2, .1}},
		`{"train_ratio": 0.7, "val_ratio": 0.3}`:                       {Method: "auto", Ratio: []float64{.7, .3}},
		`{"train": 0.7, "val": 0.2, "test": 0.1}`:                      {Method: "auto", Ratio: []float64{.7, .2, .1}},
		`{"splits": {"1": "val"}, "train": 80, "val": 1, "test": 0}`:   {Method: "custom", CustomSplits: map[string]contract.Split{"1": "val"}},
		`{"method": "auto", "validation_split": 0.25}`:                 {Method: "auto", Ratio: []float64{.75, .25}},
		`{"train_ratio": 0.9}`:                                         {Method: "auto", Ratio: []float64{.9, .1}},
		`{"val_ratio": 0.25}`:                                          {Method: "auto", Ratio: []float64{.75, .25}},
		`{"train_ratio": 0.5, "val_ratio": 0.3, "test_ratio": 0.2}`:    {Method: "auto", Ratio: []float64{.5, .3, .2}},
		`{"shuffle": true, "folds": 5, "note": null}`:                  {Method: "auto", Unknown: []string{"folds", "shuffle"}},
		`{"exclude_images": [17, "a"]}`:                                {Method: "auto", ExcludeImages: []string{"17", "a"}},
		`{"splits": {"1": "train", "1": "train"}, "method": "custom"}`: {Method: "custom", CustomSplits: map[string]contract.Split{"1": "train"}},
	} {
		got, err := ParseStrategy([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, want %+v", text, *got, want)
		}
	}
}

func TestParseStrategySaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		``:                       "not a JSON object",
		`[0.8, 0.2]`:             "not a JSON object",
		`{"ratio": [0.8, 0.2]`:   "not valid JSON",
		`{"method": "random"}`:   `method is "random", expected "auto", "use_dataset" or "custom"`,
		`{"ratio": [0.8, 0.1]}`:  "sums to 0.9",
		`{"ratio": [0.8, 0.3]}`:  "sums to 1.1",
		`{"ratio": [80, 20]}`:    "sums to 100",
		`{"ratio": [1.2, -0.2]}`: "negative",
		`{"ratio": [1]}`:         "expected [train, val]",
		`{"ratio": 0.8}`:         "expected [train, val]",
		`{"ratio": [0.5,0.5], "default_ratio": [0.8,0.2]}`: "both given and differ",
		`{"seed": "abc"}`: "whole number",
		`{"seed": 1.5}`:   "whole number",
		`{"seed": 123456789012345678901234567890}`:            "64 bits",
		`{"method": "custom"}`:                                "needs custom_splits",
		`{"method": "custom", "custom_splits": {}}`:           "needs custom_splits",
		`{"splits": {"1": "training"}}`:                       `split "training"`,
		`{"splits": {"1": 3}}`:                                "has split 3",
		`{"splits": [1]}`:                                     "custom_splits is [1]",
		`{"splits": {"1": "train", "1": "val"}}`:              `"1" is in two splits`,
		`{"splits": {"train": [1], "val": [1]}}`:              `"1" is in two splits`,
		`{"splits": {"trian": [1]}}`:                          `"trian" holds a list`,
		`{"exclude_images": "a"}`:                             "expected a list of image ids",
		`{"exclude_images": [null]}`:                          "expected an image id",
		`{"test_ratio": 0.1}`:                                 "without train_ratio",
		`{"train_ratio": 0.9, "val_ratio": 0.3}`:              "a part is negative",
		`{"train": [1, 2], "val": [3]}`:                       "train_ratio holds a list",
		`{"test_size": 0.2}`:                                  "test_ratio is given without",
		`{"train_ratio": "most"}`:                             "expected a part of 1",
		`{"train_ratio": 70, "val_ratio": 30}`:                "train_ratio is 70, more than the whole",
		`{"train": 70, "val": 30}`:                            "train_ratio is 70, more than the whole",
		`{"method": 3}`:                                       "method is 3",
		`{"rattio": [0.7, 0.3]}`:                              `the key "rattio" means nothing; did you mean "ratio"?`,
		`{"seeds": 7}`:                                        `did you mean "seed"?`,
		`{"stratify": 1}`:                                     "expected true or false",
		`{"method": "x", "seed": "abc", "ratio": [0.8, 0.1]}`: "seed is",
	} {
		_, err := ParseStrategy([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
	_, err := ParseStrategy([]byte(`{"method": "x", "seed": "abc", "ratio": [0.8, 0.1]}`))
	if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
		t.Errorf("%d problems reported, want all 3: %v", n, err)
	}
}

// A dataset may say how many images its splits have, and leave to each image which it is in.
func TestParseConfigTakesCountsForNoRatio(t *testing.T) {
	for text, want := range map[string][]float64{
		`{"method": "predefined", "train": 800, "val": 200, "test": 0}`: nil,
		`{"train": 0.7, "val": 0.3}`:                                    {.7, .3},
	} {
		if got, err := ParseConfig([]byte(text)); err != nil || !reflect.DeepEqual(got.Ratio, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func FuzzParseStrategy(f *testing.F) {
	f.Add([]byte(`{"method": "custom", "splits": {"1": "train", "a": null}, "ratio": [0.7,0.2,0.1], "seed": -1}`))
	f.Add([]byte(`{"splits": {"train": [1, "x"]}, "exclude_images": [1]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseStrategy(text)
		if (s == nil) == (err == nil) {
			t.Fatalf("strategy %v, error %v", s, err)
		}
		if err != nil {
			return
		}
		images := []Image{{ID: "1"}, {ID: "a", File: "x"}, {ID: "b"}}
		a, err := Assign(Dataset{Images: images}, s)
		if err != nil {
			return
		}
		for i, got := range a.Splits {
			if !Valid(got) || (got == "") != (len(a.Excluded) > 0 && contains(a.Excluded, i)) {
				t.Fatalf("image %d is in split %q, excluded %v", i, got, a.Excluded)
			}
		}
	})
}

func contains(list []int, v int) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}
