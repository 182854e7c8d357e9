package contract

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestRequirementsAreMet(t *testing.T) {
	for _, c := range []struct {
		needs, has string
		met        bool
	}{
		{">=3.11", "3.11.2", true}, {">=3.11", "3.10.14", false}, {">=3.11, <3.13", "3.13.0", false}, {">=3.9", "3.11", true},
		{"==3.11", "3.11.2", true}, {"<=3.11", "3.11.9", true}, {">3.11", "3.11.9", false}, {">3.11", "3.12.0", true}, {"!=3.12", "3.12.1", false},
		{">=1.4", "v1.4.0-3-gd8ca36a", true}, {">=1.4.1", "v1.4.0-3-gd8ca36a", false}, {"<2", "1.9.9", true}, {">= 1", "1.0.0-rc.1", true},
		{">=1.4", "d8ca36a", false}, {">=1.4", "dev", false}, {">=1.4", "", false}, {"", "", true},
	} {
		r := Requires{Python: c.needs}
		if wrong := r.Wrong(); len(wrong) > 0 {
			t.Errorf("%s: %v", c.needs, wrong)
		}
		if unmet := r.Unmet(Place{Python: c.has}); (len(unmet) == 0) != c.met {
			t.Errorf("%s with %s: %v", c.needs, c.has, unmet)
		}
	}
	r := Requires{Agent: ">=2", Python: ">=3.12", Device: "cuda"}
	unmet := r.Unmet(Place{Agent: "1.9.0", Python: "3.11", Device: "cpu"})
	if text := fmt.Sprint(unmet); len(unmet) != 3 || !strings.Contains(text, "requires device cuda (capabilities.json), and cpu is here") {
		t.Error(text)
	}
	if unmet := r.Unmet(Place{Agent: "2.0.0", Python: "3.12.1", Device: "cuda:1"}); len(unmet) > 0 {
		t.Error(unmet)
	}
}

func TestRequirementsThatCannotBeMetAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"python": ">=3.12,<3.11"}`:             "no version is",
		`{"python": ">3.11,<3.12"}`:              "no version is",
		`{"python": "==3.11, !=3.11"}`:           "no version is",
		`{"agent": "1.4"}`:                       "is no bound",
		`{"agent": "^1.4"}`:                      "is no bound",
		`{"agent": ">=1.4,"}`:                    "is no bound",
		`{"agent": ">=1.4.0.1"}`:                 "one to three numbers",
		`{"agent": ">=x"}`:                       "one to three numbers",
		`{"device": "gpu"}`:                      "neither cuda nor cpu",
		`{"pyhton": ">=3.11"}`:                   `unknown field "pyhton"`,
		`{"python": 3.11}`:                       "each a text",
		`">=3.11"`:                               "each a text",
		`{}`:                                     "",
		`{"python": ">=3.11,!=3.11.0,!=3.11.1"}`: "",
		`{"agent": ">1,<1.0.1"}`:                 "no version is", // a whole 1 is not above 1
		`{"agent": ">=1,<1.0.1,!=1.0.0"}`:        "no version is",
		`{"agent": ">=0", "device": "cpu"}`:      "",
	} {
		var r Requires
		err := json.Unmarshal([]byte(text), &r)
		wrong := strings.Join(r.Wrong(), "; ")
		if err != nil {
			wrong = err.Error()
		}
		if !strings.Contains(wrong, want) || (want == "") != (wrong == "") {
			t.Errorf("%s: %q, want %q", text, wrong, want)
		}
	}
}

// Whatever stands there: what may be met is found to be possible.
func FuzzRequires(f *testing.F) {
	f.Add(">=3.11,<3.13", "3.11.2")
	f.Add("!=1,>0", "v1.4.0-3-gabc")
	f.Fuzz(func(t *testing.T, needs, has string) {
		r := Requires{Agent: needs}
		if wrong := r.Wrong(); needs != "" && len(wrong) > 0 && strings.Contains(wrong[0], "no version is") && len(r.Unmet(Place{Agent: has})) == 0 {
			t.Errorf("%q is met by %q and called impossible", needs, has)
		}
	})
}
