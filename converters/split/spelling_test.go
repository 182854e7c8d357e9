package split

import (
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestAssignFindsNamesInOtherSpellings(t *testing.T) {
	images := []Image{{ID: "1", File: "a.jpg"}, {ID: "2", File: "b.jpg"}, {ID: "3", File: "sub/고.jpg"}, {ID: "4", File: "d.jpg"}}
	job := &contract.SplitStrategy{
		Method:        contract.SplitCustom,
		CustomSplits:  map[string]contract.Split{"images/a.jpg": contract.SplitTrain, "./b.jpg": contract.SplitVal, "sub\\고.jpg": contract.SplitTest},
		ExcludeImages: []string{"/images/d.jpg"},
	}
	a, err := Assign(Dataset{Images: images}, job)
	if err != nil {
		t.Fatal(err)
	}
	want := []contract.Split{contract.SplitTrain, contract.SplitVal, contract.SplitTest, ""}
	for i, s := range want {
		if a.Splits[i] != s {
			t.Errorf("image %s is in %q, want %q", images[i].File, a.Splits[i], s)
		}
	}
	if len(a.Unknown) > 0 || len(a.Unlisted) > 0 || len(a.Excluded) != 1 {
		t.Errorf("unknown %q, unlisted %v, excluded %v", a.Unknown, a.Unlisted, a.Excluded)
	}
	if _, kept := job.CustomSplits["images/a.jpg"]; !kept {
		t.Error("the job's own strategy was changed")
	}
}

func TestAssignTakesAnExactNameBeforeOneThatIsLike(t *testing.T) {
	images := []Image{{ID: "1", File: "a.jpg"}, {ID: "2", File: "images/a.jpg"}}
	a, err := Assign(Dataset{Images: images}, &contract.SplitStrategy{Method: contract.SplitCustom,
		CustomSplits: map[string]contract.Split{"images/a.jpg": contract.SplitVal, "a.jpg": contract.SplitTrain, "./a.jpg": contract.SplitTest}})
	if err != nil || a.Splits[0] != contract.SplitTrain || a.Splits[1] != contract.SplitVal || len(a.Unknown) != 1 {
		t.Errorf("%v, %q, %v", a.Splits, a.Unknown, err)
	}
}
