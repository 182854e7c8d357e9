package split

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/contract"
)

func numbered(n int) []Image {
	images := make([]Image, n)
	for i := range images {
		images[i] = Image{ID: strconv.Itoa(i), File: fmt.Sprintf("a/%d.jpg", i)}
	}
	return images
}

func parse(t *testing.T, text string) *contract.SplitStrategy {
	t.Helper()
	s, err := ParseStrategy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func assign(t *testing.T, d Dataset, job *contract.SplitStrategy) *Assignment {
	t.Helper()
	a, err := Assign(d, job)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func counts(a *Assignment) string {
	n := map[contract.Split]int{}
	for _, s := range a.Splits {
		n[s]++
	}
	return fmt.Sprintf("%d/%d/%d", n["train"], n["val"], n["test"])
}

// random.seed(42); random.shuffle(list(range(10))) is [7,3,2,8,5,6,9,4,0,1] and
// int(10*0.8) is 8, so images 0 and 1 are for validation.
func TestDefaultSplitIsThePlatformsOwn(t *testing.T) {
	a := assign(t, Dataset{Images: numbered(10)}, nil)
	for i, s := range a.Splits {
		want := contract.SplitTrain
		if i < 2 {
			want = contract.SplitVal
		}
		if s != want {
			t.Errorf("image %d is in %s, want %s", i, s, want)
		}
	}
	if a.Source != FromDefault || a.Seed != 42 {
		t.Errorf("source %s seed %d", a.Source, a.Seed)
	}
}

func TestRatioCutsAsPythonDoes(t *testing.T) {
	for _, c := range []struct {
		n           int
		ratio, want string
	}{
		{0, "[0.8, 0.2]", "0/0/0"},
		{1, "[0.8, 0.2]", "1/0/0"}, // int(0.8) is 0: train would be empty
		{2, "[0.8, 0.2]", "1/1/0"},
		{2, "[1, 0]", "1/1/0"},
		{2, "[0, 1]", "1/1/0"},
		{3, "[1, 0, 0]", "2/1/0"},
		{3, "[0, 0, 1]", "1/1/1"},
		{100, "[0.29, 0.71]", "28/72/0"}, // 100*0.29 is 28.999999999999996
		{100, "[0.7, 0.2, 0.1]", "70/20/10"},
		{1000, "[0.6, 0.3, 0.1]", "600/300/100"},
		{11, "[0.8, 0.2]", "8/3/0"}, // two ratios never make a test split
		{10, "[0.8, 0.2]", "8/2/0"},
		{118287, "[0.8, 0.2]", "94629/23658/0"},
	} {
		job := parse(t, `{"ratio": `+c.ratio+`}`)
		if got := counts(assign(t, Dataset{Images: numbered(c.n)}, job)); got != c.want {
			t.Errorf("%d images %s: %s, want %s", c.n, c.ratio, got, c.want)
		}
	}
}

func TestPriorities(t *testing.T) {
	images := numbered(4)
	for i := range images {
		images[i].Field, images[i].Given = true, contract.SplitTrain
	}
	images[3].Given = contract.SplitVal
	config, err := ParseConfig([]byte(`{"method": "manual", "splits": {"0": "val", "1": "train", "2": "train", "3": "test"}}`))
	if err != nil {
		t.Fatal(err)
	}
	custom := parse(t, `{"method": "custom", "custom_splits": {"0": "train", "a/1.jpg": "test", "2": "val", "3": "val"}}`)
	for _, c := range []struct {
		name   string
		d      Dataset
		job    *contract.SplitStrategy
		source Source
		want   string
	}{
		{"the job's strategy first", Dataset{Images: images, Config: config}, custom, FromJob, "1/2/1"},
		{"use_dataset means the dataset's config", Dataset{Images: images, Config: config}, parse(t, `{"method": "use_dataset"}`), FromConfig, "2/1/1"},
		{"then the config", Dataset{Images: images, Config: config}, nil, FromConfig, "2/1/1"},
		{"then the images' own fields", Dataset{Images: images}, nil, FromImages, "3/1/0"},
		{"then the default", Dataset{Images: numbered(10)}, parse(t, `{"method": "use_dataset"}`), FromDefault, "8/2/0"},
		{"auto of the job ignores the dataset's", Dataset{Images: images, Config: config}, parse(t, `{"ratio": [0.5, 0.5]}`), FromJob, "2/2/0"},
	} {
		a := assign(t, c.d, c.job)
		if a.Source != c.source || counts(a) != c.want {
			t.Errorf("%s: %s %s, want %s %s", c.name, a.Source, counts(a), c.source, c.want)
		}
	}
}

func TestFieldsCountOnlyWhenEveryImageHasOne(t *testing.T) {
	images := numbered(10)
	for i := range 9 {
		images[i].Field, images[i].Given = true, contract.SplitTest
	}
	a := assign(t, Dataset{Images: images}, nil)
	if a.Source != FromDefault || a.Ignored != 9 || counts(a) != "8/2/0" {
		t.Errorf("%s, %d ignored, %s", a.Source, a.Ignored, counts(a))
	}
	images[9].Field = true // null: assigned automatically
	a = assign(t, Dataset{Images: images}, nil)
	if a.Source != FromImages || len(a.Auto) != 1 {
		t.Errorf("%s, %d automatic", a.Source, len(a.Auto))
	}
}

func TestPartialSplitShufflesOnlyTheRest(t *testing.T) {
	job := parse(t, `{"method": "custom", "splits": {"3": "test", "5": null}, "ratio": [0.8, 0.2], "exclude_images": [1, "nobody"]}`)
	a := assign(t, Dataset{Images: numbered(12)}, job)
	if a.Splits[3] != "test" || a.Splits[1] != "" || len(a.Auto) != 10 {
		t.Fatalf("%v, automatic %v", a.Splits, a.Auto)
	}
	rest := []int{0, 2, 4, 5, 6, 7, 8, 9, 10, 11}
	shuffle(NewRandom(42), rest)
	for k, i := range rest {
		want := contract.SplitTrain
		if k >= 8 {
			want = contract.SplitVal
		}
		if a.Splits[i] != want {
			t.Errorf("image %d is in %q, want %q", i, a.Splits[i], want)
		}
	}
	if !slices.Equal(a.Unknown, []string{"nobody"}) || len(a.Unlisted) != 9 {
		t.Errorf("unknown %v, unlisted %v", a.Unknown, a.Unlisted)
	}
}

func TestAnImageInTwoSplitsIsAnError(t *testing.T) {
	job := parse(t, `{"method": "custom", "splits": {"0": "train", "a/0.jpg": "val"}}`)
	_, err := Assign(Dataset{Images: numbered(3)}, job)
	if err == nil || !strings.Contains(err.Error(), `"0" is in two splits`) {
		t.Errorf("error %v", err)
	}
}

func TestUnknownIDsAreCounted(t *testing.T) {
	job := parse(t, `{"method": "custom", "splits": {"0": "train", "1": "val", "99": "val", "b.jpg": "train"}}`)
	a := assign(t, Dataset{Images: numbered(2)}, job)
	if !slices.Equal(a.Unknown, []string{"99", "b.jpg"}) {
		t.Errorf("unknown %v", a.Unknown)
	}
}

func TestEmptySplitTakesOneImage(t *testing.T) {
	for text, want := range map[string]string{
		`{"ratio": [1, 0]}`: "2/1/0",
		`{"ratio": [0, 1]}`: "1/2/0",
		`{"splits": {"0": "test", "1": "test", "2": null}}`: "1/1/1",
	} {
		a := assign(t, Dataset{Images: numbered(3)}, parse(t, text))
		if counts(a) != want || len(a.Moved) == 0 {
			t.Errorf("%s: %s, moved %v, want %s", text, counts(a), a.Moved, want)
		}
	}
}

// TestAllImagesInOneSplitSayNothing: two producers write "train" to every image, and
// a val of one image helps nobody.
func TestAllImagesInOneSplitSayNothing(t *testing.T) {
	all := func(s contract.Split) []Image {
		images := numbered(10)
		for i := range images {
			images[i].Given, images[i].Field = s, true
		}
		return images
	}
	config := &contract.SplitStrategy{Method: contract.SplitCustom, CustomSplits: map[string]contract.Split{}}
	for i := range 10 {
		config.CustomSplits[strconv.Itoa(i)] = contract.SplitTrain
	}
	for name, c := range map[string]struct {
		data   Dataset
		job    *contract.SplitStrategy
		silent []Silent
	}{
		"the images' own":  {Dataset{Images: all("train")}, nil, []Silent{{FromImages, "train"}}},
		"the dataset's":    {Dataset{Images: all("val"), Config: config}, nil, []Silent{{FromConfig, "train"}, {FromImages, "val"}}},
		"a job's strategy": {Dataset{Images: numbered(10)}, config, []Silent{{FromJob, "train"}}},
	} {
		a := assign(t, c.data, c.job)
		if counts(a) != "8/2/0" || a.Source != FromDefault || !slices.Equal(a.Silent, c.silent) {
			t.Errorf("%s: %s from %s, passed over %v", name, counts(a), a.Source, a.Silent)
		}
	}
	if a := assign(t, Dataset{Images: all("train")[:1]}, nil); a.Source != FromImages {
		t.Errorf("one image: %+v", a)
	}
}

// TestTrainAndValHaveEveryClass of which there are two images, in an automatic split
// and in the images' own; what a strategy names is left as it is.
func TestTrainAndValHaveEveryClass(t *testing.T) {
	images := numbered(20)
	classes := func(i int) []int { return []int{i / 2, 10} } // ten classes of two images, one of all
	check := func(name string, a *Assignment) {
		for class := range 10 {
			if one, other := a.Splits[2*class], a.Splits[2*class+1]; one == other {
				t.Errorf("%s: class %d is in %s only", name, class, one)
			}
		}
		for _, m := range a.Covered {
			if a.Splits[m.Image] != m.To || m.Image/2 != m.Class {
				t.Errorf("%s: said to be moved: %+v", name, m)
			}
		}
	}
	auto := assign(t, Dataset{Images: images, Classes: classes}, nil)
	check("automatic", auto)
	for i := range images {
		images[i].Given, images[i].Field = contract.SplitTrain, true
	}
	images[0].Given = contract.SplitVal
	check("the images' own", assign(t, Dataset{Images: images, Classes: classes}, nil))
	if len(auto.Covered) == 0 {
		t.Error("nothing needed to be moved")
	}
	named := assign(t, Dataset{Images: images, Classes: classes}, parse(t, `{"splits": {"0": "val", "1": "val"}}`))
	if len(named.Covered) != 0 {
		t.Errorf("moved against a strategy: %v", named.Covered)
	}
	alone := assign(t, Dataset{Images: numbered(3), Classes: func(i int) []int { return []int{i} }}, nil)
	if len(alone.Covered) != 0 {
		t.Errorf("classes of one image: %v", alone.Covered)
	}
}

func TestStratifiedKeepsClassRatios(t *testing.T) {
	classes := func(i int) []int {
		switch {
		case i < 100:
			return []int{0}
		case i < 110:
			return []int{0, 1} // rarest is 1
		case i < 112:
			return []int{2}
		}
		return nil
	}
	job := parse(t, `{"ratio": [0.8, 0.2], "stratify": true}`)
	a := assign(t, Dataset{Images: numbered(117), Classes: classes}, job)
	got := map[string]int{}
	for i, s := range a.Splits {
		got[fmt.Sprint(classes(i), " ", s)]++
	}
	want := map[string]int{"[0] train": 80, "[0] val": 20, "[0 1] train": 8, "[0 1] val": 2, "[2] train": 1, "[2] val": 1, "[] train": 4, "[] val": 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	again := assign(t, Dataset{Images: numbered(117), Classes: classes}, job)
	if !slices.Equal(a.Splits, again.Splits) {
		t.Error("two runs with one seed differ")
	}
}

func TestADatasetThatIsStratifiedStaysSo(t *testing.T) {
	config, err := ParseConfig([]byte(`{"ratio": [0.5, 0.5], "stratify": true}`))
	if err != nil {
		t.Fatal(err)
	}
	d := Dataset{Images: numbered(40), Config: config, Classes: func(i int) []int { return []int{i % 20} }}
	for _, job := range []*contract.SplitStrategy{nil, parse(t, `{"method": "use_dataset"}`)} {
		perClass := map[int]int{}
		for i, s := range assign(t, d, job).Splits {
			if s == contract.SplitTrain {
				perClass[i%20]++
			}
		}
		for class := range 20 {
			if perClass[class] != 1 {
				t.Errorf("job %+v: %d of 2 images of class %d are in train", job, perClass[class], class)
			}
		}
	}
}

func TestEveryImageLandsInExactlyOneSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(t, "n")
		parts := rapid.SliceOfN(rapid.IntRange(0, 10), 2, 3).Draw(t, "parts")
		sum := 0
		for _, p := range parts {
			sum += p
		}
		if sum == 0 {
			parts[0], sum = 1, 1
		}
		job := &contract.SplitStrategy{Method: contract.SplitCustom, Stratify: rapid.Bool().Draw(t, "stratify")}
		for _, p := range parts {
			job.Ratio = append(job.Ratio, float64(p)/float64(sum))
		}
		job.CustomSplits = rapid.MapOfN(
			rapid.Map(rapid.IntRange(0, 70), strconv.Itoa),
			rapid.SampledFrom([]contract.Split{"", "train", "val", "test"}), 0, 30).Draw(t, "splits")
		seed := rapid.Int64().Draw(t, "seed")
		job.Seed = &seed
		d := Dataset{Images: numbered(n), Classes: func(i int) []int { return []int{i % 7} }}
		a, err := Assign(d, job)
		if err != nil {
			t.Fatal(err)
		}
		count := map[contract.Split]int{}
		for i, s := range a.Splits {
			if !slices.Contains(contract.Splits, s) {
				t.Fatalf("image %d is in %q", i, s)
			}
			count[s]++
			given := job.CustomSplits[strconv.Itoa(i)]
			passedOver := len(a.Silent) > 0 // all images were given one split
			if given != "" && s != given && !passedOver && !slices.Contains(a.Moved, i) {
				t.Fatalf("image %d is in %s, was given %s", i, s, given)
			}
		}
		if n >= 2 && (count["train"] == 0 || count["val"] == 0) {
			t.Fatalf("an empty split: %v", count)
		}
	})
}
